package shell

import (
	"embed"
	"html/template"
	"io/fs"
	"strings"
)

//go:embed assets
var embedded embed.FS

// Assets are the styles and scripts that every document of this package needs.
func Assets() fs.FS {
	sub, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic(err) // Only for a folder that is not embedded.
	}
	return sub
}

var noticeTemplate = template.Must(template.New("notice").Parse(
	`<section class="pws-notice"><h1>{{.Heading}}</h1>{{range .Sentences}}<p>{{.}}</p>{{end}}</section>`))

// Notice is a body that says one thing, such as an error.
func Notice(heading string, paragraphs ...string) template.HTML {
	var out strings.Builder
	if err := noticeTemplate.Execute(&out, struct {
		Heading   string
		Sentences []string
	}{heading, paragraphs}); err != nil {
		panic(err) // Only for a mistake in the template.
	}
	return template.HTML(out.String())
}
