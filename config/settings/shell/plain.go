package shell

import (
	"bytes"
	_ "embed"
	"html/template"

	"plausible-webhooks/config/settings/menu"
)

//go:embed plain.html
var plainSource string

var plainTemplate = template.Must(template.New("plain").Parse(plainSource))

// Plain shows contents in a layout of our own. Dark is whether Plausible's page
// was dark by itself; otherwise the browser's preference counts.
func Plain(c Contents, dark bool) Document {
	shown := struct {
		Contents
		Title, Stats, Settings string
		Dark                   bool
	}{Contents: c, Title: title(c), Dark: dark}
	if c.Domain != "" {
		shown.Settings = menu.Prefix(c.Domain) + "general"
		shown.Stats = "/" + menu.Encode(c.Domain)
	}
	var out bytes.Buffer
	if err := plainTemplate.Execute(&out, shown); err != nil {
		panic(err) // Only for a mistake in plain.html.
	}
	return Document{HTML: out.Bytes(), Policy: join(plainScripts, plainStyles), Plain: true}
}
