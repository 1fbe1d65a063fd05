package passthrough

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"plausible-webhooks/config/settings/menu"
)

// modify adds the entry to an answer of Plausible, or leaves the answer as it
// is. It never fails: what cannot be read goes through.
func (p *Proxy) modify(answer *http.Response) error {
	if lasted, news := p.trouble.End(); news {
		p.log.Info("Plausible answers the settings page again", "after", lasted.Round(time.Second).String())
	}
	domain, _ := answer.Request.Context().Value(domainKey{}).(string)
	encoding := strings.ToLower(strings.TrimSpace(answer.Header.Get("Content-Encoding")))
	if !mayHoldMenu(answer) || encoding != "" && encoding != "identity" && encoding != "gzip" {
		return nil
	}
	sent, rest, complete := hold(answer.Body, MaxPage, p.patience)
	answer.Body = rest
	if !complete {
		return nil
	}
	document, ok := sent, true
	if encoding == "gzip" {
		document, ok = unzip(sent)
	}
	if !ok {
		return nil
	}
	document, ok = p.splice(document, domain)
	if !ok {
		return nil
	}
	_ = rest.Close() // It has been read to its end.
	if encoding == "gzip" {
		document = zip(document)
	}
	answer.Body = io.NopCloser(bytes.NewReader(document))
	answer.ContentLength = int64(len(document))
	answer.TransferEncoding = nil
	answer.Header.Set("Content-Length", strconv.Itoa(len(document)))
	// They speak of the bytes as Plausible had them.
	for _, name := range []string{"Etag", "Content-Md5", "Digest", "Repr-Digest", "Content-Digest", "Accept-Ranges"} {
		answer.Header.Del(name)
	}
	return nil
}

// splice survives whatever a document does to the parser.
func (p *Proxy) splice(document []byte, domain string) (spliced []byte, ok bool) {
	defer func() {
		if reason := recover(); reason != nil {
			p.log.Error("a settings page was passed through without the entry Webhooks", "error", reason)
			spliced, ok = nil, false
		}
	}()
	return menu.Splice(document, domain)
}

// mayHoldMenu leaves out whatever is no complete HTML page.
func mayHoldMenu(answer *http.Response) bool {
	if answer.Request.Method != http.MethodGet || answer.StatusCode != http.StatusOK || answer.ContentLength > MaxPage || len(answer.Trailer) > 0 {
		return false
	}
	media, parameters, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || media != "text/html" {
		return false
	}
	charset := parameters["charset"]
	return charset == "" || strings.EqualFold(charset, "utf-8")
}

// unzip reads what must be one whole gzip stream of bounded size.
func unzip(sent []byte) ([]byte, bool) {
	reader, err := gzip.NewReader(bytes.NewReader(sent))
	if err != nil {
		return nil, false
	}
	document, err := io.ReadAll(io.LimitReader(reader, MaxPage+1))
	return document, err == nil && len(document) <= MaxPage
}

func zip(document []byte) []byte {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, _ = writer.Write(document) // Into memory.
	_ = writer.Close()
	return out.Bytes()
}
