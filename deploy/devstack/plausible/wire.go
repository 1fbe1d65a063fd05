package plausible

import (
	"compress/gzip"
	"net/http"
	"strings"
)

// compressed sends pages with gzip to those who take it, as Plausible's server
// does where it is told to, and proxies in front of it do by default.
func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") || r.Method == http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		z := &zipping{ResponseWriter: w}
		next.ServeHTTP(z, r)
		z.close()
	})
}

// zipping compresses what turns out to be HTML.
type zipping struct {
	http.ResponseWriter
	writer *gzip.Writer
	begun  bool
}

func (z *zipping) WriteHeader(status int) {
	if !z.begun {
		z.begun = true
		if strings.HasPrefix(z.Header().Get("Content-Type"), "text/html") && status >= 200 && status != http.StatusNoContent && (status < 300 || status >= 400) {
			z.Header().Set("Content-Encoding", "gzip")
			z.Header().Set("Vary", "Accept-Encoding")
			z.writer = gzip.NewWriter(z.ResponseWriter)
		}
	}
	z.ResponseWriter.WriteHeader(status)
}

func (z *zipping) Write(p []byte) (int, error) {
	z.begin()
	if z.writer != nil {
		return z.writer.Write(p)
	}
	return z.ResponseWriter.Write(p)
}

// begin starts an answer whose status was never named.
func (z *zipping) begin() {
	if !z.begun {
		z.WriteHeader(http.StatusOK)
	}
}

func (z *zipping) close() {
	if z.writer != nil {
		_ = z.writer.Close() // The browser may be gone.
	}
}

// emptySegments drops the empty segments of a path, as Phoenix does when it
// splits it; net/http would redirect.
func emptySegments(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if strings.Contains(path, "//") {
			var kept []string
			for segment := range strings.SplitSeq(path, "/") {
				if segment != "" {
					kept = append(kept, segment)
				}
			}
			clean, err := r.URL.Parse("/" + strings.Join(kept, "/"))
			if err != nil {
				http.Error(w, "Bad request", http.StatusBadRequest)
				return
			}
			r.URL.Path, r.URL.RawPath = clean.Path, clean.RawPath
		}
		next.ServeHTTP(w, r)
	})
}
