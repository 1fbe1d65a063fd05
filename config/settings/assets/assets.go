// Package assets holds the stylesheet and the script of the settings pages.
// Each is served under a name with a hash of its content, so that a browser may
// keep it for ever.
package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

//go:embed pw.css pw.js
var files embed.FS

var types = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}

type asset struct {
	content     []byte
	contentType string
}

var (
	hashed = map[string]string{} // By plain name.
	opened = map[string]asset{}  // By hashed name.
)

func init() {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // They are embedded.
	}
	for _, entry := range entries {
		content, err := files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		extension := path.Ext(entry.Name())
		name := strings.TrimSuffix(entry.Name(), extension) + "-" + hex.EncodeToString(sum[:6]) + extension
		hashed[entry.Name()], opened[name] = name, asset{content, types[extension]}
	}
}

// Path returns the name under which an asset is served. It panics for one that
// does not exist.
func Path(name string) string {
	served, ok := hashed[name]
	if !ok {
		panic(fmt.Sprintf("assets: there is no %q", name))
	}
	return served
}

// Open returns an asset by the name that Path gave. The content is shared: do
// not change it.
func Open(hashedName string) (content []byte, contentType string, ok bool) {
	a, ok := opened[hashedName]
	return a.content, a.contentType, ok
}
