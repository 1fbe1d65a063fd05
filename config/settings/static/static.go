// Package static serves the styles and scripts of our pages, below
// /{domain}/settings/webhooks/assets/.
//
// They hold no data, so they need no permission and are the same for every
// site. A name carries a hash of its content: what is served under it never
// changes and is kept by browsers for a year; a new version of the program has
// new names. A hash of another version is answered 404.
package static

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// Folder is the last part of the path that assets are served below.
const Folder = "assets"

// Set is a number of files, fixed.
type Set struct {
	files           map[string]file // By name with hash.
	styles, scripts []string        // Names with hash, in the order of the file systems.
}

type file struct {
	content []byte
	kind    string
	etag    string
}

// New reads all files at the top of the file systems.
func New(systems ...fs.FS) (*Set, error) {
	s := &Set{files: map[string]file{}}
	for _, system := range systems {
		if system == nil {
			continue
		}
		entries, err := fs.ReadDir(system, ".")
		if err != nil {
			return nil, fmt.Errorf("read the styles and scripts of the settings page: %w", err)
		}
		for _, entry := range entries {
			if entry.IsDir() {
				continue
			}
			content, err := fs.ReadFile(system, entry.Name())
			if err != nil {
				return nil, fmt.Errorf("read the styles and scripts of the settings page: %w", err)
			}
			s.add(entry.Name(), content)
		}
	}
	return s, nil
}

func (s *Set) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:8])
	extension := path.Ext(name)
	hashed := strings.TrimSuffix(name, extension) + "-" + hash + extension
	kind := mime.TypeByExtension(extension)
	if kind == "" {
		kind = "application/octet-stream"
	}
	s.files[hashed] = file{content: content, kind: kind, etag: `"` + hash + `"`}
	switch extension {
	case ".css":
		s.styles = append(s.styles, hashed)
	case ".js":
		s.scripts = append(s.scripts, hashed)
	}
}

// Styles returns the paths of all styles, below the page at base.
func (s *Set) Styles(base string) []string { return below(base, s.styles) }

// Scripts returns the paths of all scripts, below the page at base.
func (s *Set) Scripts(base string) []string { return below(base, s.scripts) }

func below(base string, names []string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = base + "/" + Folder + "/" + name
	}
	return paths
}

// Serve answers a request for the named file and reports whether there is one.
func (s *Set) Serve(w http.ResponseWriter, r *http.Request, name string) bool {
	found, ok := s.files[name]
	if !ok {
		return false
	}
	header := w.Header()
	header.Set("Content-Type", found.kind)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("ETag", found.etag)
	header.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(found.content))
	return true
}
