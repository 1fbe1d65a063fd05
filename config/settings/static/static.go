// Package static serves styles and scripts below
// /{domain}/settings/webhooks/assets/: a set of its own for the shell, and any
// other file whose name holds a hash.
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
	"strconv"
	"strings"
	"time"
)

// Folder is the last part of the path that assets are served below.
const Folder = "assets"

// Set is a number of files, fixed.
type Set struct {
	files           map[string]file // By name with hash.
	styles, scripts []string        // Names with hash.
}

type file struct {
	content []byte
	kind    string
}

// New reads all files at the top of a file system.
func New(system fs.FS) (*Set, error) {
	s := &Set{files: map[string]file{}}
	entries, err := fs.ReadDir(system, ".")
	if err != nil {
		return nil, fmt.Errorf("read the styles and scripts of the settings page: %w", err)
	}
	for _, entry := range entries {
		content, err := fs.ReadFile(system, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read the styles and scripts of the settings page: %w", err)
		}
		s.add(entry.Name(), content)
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
	s.files[hashed] = file{content: content, kind: kind}
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

// Open returns a file by its name with hash.
func (s *Set) Open(name string) (content []byte, contentType string, ok bool) {
	found, ok := s.files[name]
	return found.content, found.kind, ok
}

// Serve answers a request with a file whose name holds a hash of its content.
func Serve(w http.ResponseWriter, r *http.Request, name string, content []byte, contentType string) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("ETag", strconv.Quote(name))
	header.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}
