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

// Notice is a body that says one thing, such as an error.
type Notice struct {
	Heading    string
	Paragraphs []string
	Link, Way  string // A path, and what it leads to; may be empty.
}

var noticeTemplate = template.Must(template.New("notice").Parse(`<section class="pws-notice"><h2>{{.Heading}}</h2>
{{- range .Paragraphs}}<p>{{.}}</p>{{end}}
{{- if .Link}}<p><a href="{{.Link}}">{{.Way}}</a></p>{{end}}</section>`))

// Body renders the notice.
func (n Notice) Body() template.HTML {
	var out strings.Builder
	if err := noticeTemplate.Execute(&out, n); err != nil {
		panic(err) // Only for a mistake in the template.
	}
	return template.HTML(out.String())
}
