package sender_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"plausible-webhooks/sender"
)

// raw answers every request with the same bytes and closes the connection.
func raw(t *testing.T, answer string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, answer)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return "http://" + listener.Addr().String() + "/"
}

// PostgreSQL refuses NUL and invalid UTF-8: one such answer in a batch of
// records would keep all of them from being written.
func TestWhateverIsAnsweredIsStored(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.Retries = 0
	b.start(o)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, body := range map[string]string{
		"NUL": "a\x00b", "only NUL": strings.Repeat("\x00", 5000), "every byte": string(every), "invalid": "\xff\xfe\xc3\x28\xed\xa0\x80\xf4\x90\x80\x80",
		"cut in a rune": strings.Repeat("a", 1023) + "ü", "long runes": strings.Repeat("𝄞", 1000), "bidi": "\u202egnp.exe\u2066",
	} {
		for kind, answer := range map[string]string{
			"success": fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
			"failure": fmt.Sprintf("HTTP/1.1 500 %s\r\nContent-Length: %d\r\n\r\n%s", strings.NewReplacer("\n", "", "\r", "").Replace(body), len(body), body),
			"garbage": body + "\r\n\r\n",
		} {
			want := sender.StatusFailed
			if kind == "success" {
				want = sender.StatusDelivered
			}
			d := b.untilStatus(b.enqueue(b.webhook(raw(t, answer), whsec), "{}"), want)
			a := d.AttemptLog[0]
			if a.DurationMS == nil || kind == "success" && (a.ResponseExcerpt == nil || a.Error != nil) || kind != "success" && a.Error == nil {
				t.Errorf("%s, %s: got %+v, want the attempt completed", name, kind, a)
			}
			for _, text := range []*string{a.ResponseExcerpt, a.Error, d.LastError} {
				if text != nil && (len(*text) > 1024 || !utf8.ValidString(*text) || strings.ContainsFunc(*text, unicode.IsControl)) {
					t.Errorf("%s, %s: got %q (%d bytes)", name, kind, *text, len(*text))
				}
			}
			if name == "cut in a rune" && kind == "success" && *a.ResponseExcerpt != strings.Repeat("a", 1023) {
				t.Errorf("got %q, want the excerpt cut before the letter", *a.ResponseExcerpt)
			}
		}
	}
}
