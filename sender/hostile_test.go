package sender

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// A part is what a hostile receiver does with a connection once it has read
// the request's head.
type part func(*tls.Conn)

// says sends a text and closes the connection in good order.
func says(text string) part {
	return func(conn *tls.Conn) { _, _ = io.WriteString(conn, text) }
}

// holds sends a text, then nothing, until the client goes.
func holds(text string) part {
	return func(conn *tls.Conn) {
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// halfCloses sends a text, closes its direction only, and waits for the client.
func halfCloses(text string) part {
	return func(conn *tls.Conn) {
		_, _ = io.WriteString(conn, text)
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
}

// resets sends a text, then cuts the connection with a TCP reset.
func resets(text string) part {
	return func(conn *tls.Conn) {
		_, _ = io.WriteString(conn, text)
		if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		}
	}
}

// repeats sends a text, then another one as often and as fast as it is taken.
func repeats(first, again string) part {
	return func(conn *tls.Conn) {
		_, err := io.WriteString(conn, first)
		for err == nil {
			_, err = io.WriteString(conn, again)
		}
	}
}

// drips sends a text at once, then another one byte by byte, over and over.
func drips(first, again string) part {
	return func(conn *tls.Conn) {
		_, err := io.WriteString(conn, first)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; err == nil; i++ {
			<-ticker.C
			_, err = io.WriteString(conn, again[i%len(again):i%len(again)+1])
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\n"

// brief is the timeout of attempts that only it ends, ample that of others.
const (
	brief = time.Second
	ample = 20 * time.Second
)

// gzipBomb is 50 MB of zeros in about 50 KB.
func gzipBomb(t testing.TB) string {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 50<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

// The families of reference "hostile responses". Only the status line decides:
// a 2xx succeeds whatever its body does, and says so in a note.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	transport, certificate := authority.transport(), authority.issue(nil)
	bomb := gzipBomb(t)
	const noAnswer, closed, unusable = "no answer within 1s", "the receiver closed the connection without an answer", "the answer is not usable HTTP: "
	const late, cut, long = "the answer's body did not end within 1s", "the answer's body was cut short", "the answer's body is longer than 64 KiB; the rest was not read"
	for _, test := range []struct {
		name    string
		part    part
		timeout time.Duration
		status  int // Zero: no answer.
		problem string
	}{
		// No answer.
		{"empty reply", says(""), ample, 0, closed},
		{"half-closed without an answer", halfCloses(""), ample, 0, closed},
		{"reset without an answer", resets(""), ample, 0, "the receiver reset the connection"},
		{"never answers", holds(""), brief, 0, noAnswer},
		{"garbage status line", says("SSH-2.0-not-http\r\n"), ample, 0, unusable},
		{"status line of another protocol", says("ICY 200 OK\r\n\r\n"), ample, 0, unusable},
		{"no version", says("200 OK\r\n\r\n"), ample, 0, unusable},
		{"binary", says("\x00\x01\xff\xfe\r\n\r\n"), ample, 0, unusable},
		{"status of two digits", says("HTTP/1.1 20 OK\r\n\r\n"), ample, 0, unusable},
		{"status of four digits", says("HTTP/1.1 2000 OK\r\n\r\n"), ample, 0, unusable},
		{"negative status", says("HTTP/1.1 -20 OK\r\n\r\n"), ample, 0, unusable},
		{"status with letters", says("HTTP/1.1 2O0 OK\r\n\r\n"), ample, 0, unusable},
		{"cut in the status line", says("HTTP/1.1 20"), ample, 0, unusable},
		{"half-closed in the version", halfCloses("HTTP/1."), ample, 0, unusable},
		{"half-closed in the headers", halfCloses(ok + "X: "), ample, 0, closed},
		{"reset in the headers", resets(ok + "X: "), ample, 0, "the receiver reset the connection"},
		{"endless status line", repeats("HTTP/1.1 200 ", strings.Repeat("O", 1<<10)), ample, 0, unusable},
		{"dripped status line", drips("", "HTTP/1.1 200 OK"), brief, 0, noAnswer},
		{"endless headers", repeats(ok, "X-Filler: "+strings.Repeat("x", 1<<10)+"\r\n"), ample, 0, unusable},
		{"one endless header", repeats(ok+"X-Filler: ", strings.Repeat("x", 1<<10)), ample, 0, unusable},
		{"endless folded header", repeats(ok+"X-Filler: x\r\n", " "+strings.Repeat("x", 1<<10)+"\r\n"), ample, 0, unusable},
		{"dripped headers", drips(ok, "X-A: b\r\n"), brief, 0, noAnswer},
		{"header that is none", says(ok + "no colon\r\n\r\n"), ample, 0, unusable},
		{"negative length", says(ok + "Content-Length: -1\r\n\r\n"), ample, 0, unusable},
		{"two lengths", says(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), ample, 0, unusable},
		{"unknown transfer encoding", says(ok + "Transfer-Encoding: rot13\r\n\r\n"), ample, 0, unusable},
		{"early hints, then nothing", holds("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), brief, 0, noAnswer},
		{"endless 1xx", repeats("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), ample, 0, unusable},
		{"dripped 1xx", drips("", "HTTP/1.1 100 Continue\r\n\r\n"), brief, 0, noAnswer},

		// Failures.
		{"switching protocols", holds("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), ample, 101, "answered 101 Switching Protocols"},
		{"switching protocols unasked", holds("HTTP/1.1 101 Switching Protocols\r\n\r\n"), ample, 101, "answered 101 Switching Protocols"},
		{"status 099", says("HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n"), ample, 99, "answered 99"},
		{"status 000", says("HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n"), ample, 0, "answered 0"},
		{"status 300", says("HTTP/1.1 300 X\r\nContent-Length: 0\r\n\r\n"), ample, 300, "answered 300 Multiple Choices: redirects are not followed"},
		{"status 304", says("HTTP/1.1 304 Not Modified\r\n\r\n"), ample, 304, "answered 304 Not Modified: redirects"},
		{"status 305", says("HTTP/1.1 305 X\r\nLocation: http://127.0.0.1:1\r\n\r\n"), ample, 305, "answered 305 Use Proxy: redirects are not followed"},
		{"status 399", says("HTTP/1.1 399 X\r\nContent-Length: 0\r\n\r\n"), ample, 399, "answered 399: redirects are not followed"},
		{"status 999", says("HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"), ample, 999, "answered 999"},
		{"failure with an endless body", repeats("HTTP/1.1 500 X\r\n\r\n", strings.Repeat("x", 1<<10)), ample, 500, "answered 500 Internal Server Error"},
		{"failure with a dripped body", drips("HTTP/1.1 500 X\r\n\r\n", "x"), brief, 500, "answered 500 Internal Server Error; " + late},

		// Successes, with notes.
		{"no body", says("HTTP/1.1 204 No Content\r\n\r\n"), ample, 204, ""},
		{"no reason", says("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), ample, 200, ""},
		{"status 299", says("HTTP/1.1 299 X\r\nContent-Length: 2\r\n\r\nok"), ample, 299, ""},
		{"HTTP/1.0 to the end of the connection", says("HTTP/1.0 200 OK\r\n\r\nok"), ample, 200, ""},
		{"early hints, then 200", says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok"), ample, 200, ""},
		{"folded header", says(ok + "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"), ample, 200, ""},
		{"longer length than body", says(ok + "Content-Length: 1000\r\n\r\n0123456789"), ample, 200, cut},
		{"half-closed in the body", halfCloses(ok + "Content-Length: 1000\r\n\r\n0123456789"), ample, 200, cut},
		{"reset in the body", resets(ok + "Content-Length: 1000\r\n\r\n0123456789"), ample, 200, "the answer's body could not be read"},
		{"held body", holds(ok + "Content-Length: 1000\r\n\r\n0123456789"), brief, 200, late},
		{"dripped body", drips(ok+"\r\n", "x"), brief, 200, late},
		{"dripped chunks", drips(ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), brief, 200, late},
		{"endless body", repeats(ok+"\r\n", strings.Repeat("x", 1<<10)), ample, 200, long},
		{"endless chunks", repeats(ok+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), ample, 200, "the answer's body"},
		{"endless chunk extension", repeats(ok+"Transfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("x", 1<<10)), ample, 200, "the answer's body could not be read"},
		{"endless trailers", repeats(ok+"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n", "X: y\r\n"), ample, 200, "the answer's body could not be read"},
		{"bad chunk", says(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), ample, 200, "the answer's body could not be read"},
		{"64 KiB and no end", holds(ok + "Content-Length: 70000\r\n\r\n" + strings.Repeat("x", answerBodyBytes)), brief, 200, late},
		{"64 KiB", says(ok + "Content-Length: 65536\r\n\r\n" + strings.Repeat("x", answerBodyBytes)), ample, 200, ""},
		{"gzip bomb", says(fmt.Sprintf(ok+"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(bomb), bomb)), ample, 200, ""},
		{"NUL and invalid UTF-8", says(ok + "Content-Length: 8\r\n\r\na\x00\xff\xfe\xc3\x28\x1b["), ample, 200, ""},
		{"one line of a megabyte", says(ok + "Content-Length: 1048576\r\n\r\n" + strings.Repeat("ü", 1<<19)), ample, 200, long},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address := listenTLS(t, certificate, test.part)
			got := post(t, transport, "https://"+address+"/", test.timeout)
			if got.status != test.status || !strings.HasPrefix(got.problem, test.problem) || (got.problem == "") != (test.problem == "") {
				t.Errorf("got %d, %q, want %d, %q", got.status, got.problem, test.status, test.problem)
			}
			if got.hopeless || got.cut || got.answered != (test.status != 0 || strings.HasPrefix(test.problem, "answered")) {
				t.Errorf("got %+v, want an ordinary outcome", got)
			}
			if got.succeeded() != (test.status >= 200 && test.status <= 299) {
				t.Errorf("success is %t with %d: only the status line decides", got.succeeded(), got.status)
			}
			if test.timeout == brief && got.duration < brief || got.duration > test.timeout+5*time.Second {
				t.Errorf("took %s, want it within %s", got.duration, test.timeout)
			}
			storable(t, got.excerpt, excerptBytes)
			storable(t, got.problem, errorBytes)
			if strings.Contains(got.problem, address) {
				t.Errorf("%q tells an address", got.problem)
			}
		})
	}
}

// storable fails the test if PostgreSQL would not store a text, or a terminal
// obey it.
func storable(t *testing.T, text string, limit int) {
	t.Helper()
	if len(text) > limit || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%q (%d bytes) is no clean text of at most %d bytes", text, len(text), limit)
	}
}

// A redirect of whatever kind is a failure, and the place that it names is
// neither asked nor told.
func TestRedirectsOfEveryKind(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	transport, certificate := authority.transport(), authority.issue(nil)
	asked := make(chan struct{}, 1)
	elsewhere := listenTLS(t, certificate, func(*tls.Conn) { asked <- struct{}{} })
	for status := 300; status <= 308; status++ {
		for _, location := range []string{"https://" + elsewhere + "/", "//" + elsewhere, "/elsewhere", "", "http://169.254.169.254/", "file:///etc/passwd", "\x01"} {
			answer := fmt.Sprintf("HTTP/1.1 %d X\r\nLocation: %s\r\nRefresh: 0; url=%s\r\nContent-Length: 0\r\n\r\n", status, location, location)
			address := listenTLS(t, certificate, says(answer))
			got := post(t, transport, "https://"+address+"/", ample)
			want := strings.TrimSpace(fmt.Sprintf("answered %d %s", status, http.StatusText(status))) + ": redirects are not followed, the webhook needs the final URL"
			if location == "\x01" && got.status == 0 {
				continue // Such a header makes no answer.
			}
			if got.status != status || got.problem != want || got.succeeded() {
				t.Errorf("%d to %q: got %d, %q, want %q", status, location, got.status, got.problem, want)
			}
		}
	}
	select {
	case <-asked:
		t.Error("a redirect was followed")
	default:
	}
}

// Whatever receivers send, what an attempt holds in memory is bounded: all of
// them at once stay within a few hundred kilobytes each.
func TestHostileAnswersKeepMemoryFlat(t *testing.T) {
	const attempts, perAttempt = 32, 500 << 10
	authority := newAuthority(t)
	transport, certificate := authority.transport(), authority.issue(nil)
	bomb := gzipBomb(t)
	// Many tiny headers cost most memory for their bytes.
	var tiny strings.Builder
	for i := 0; tiny.Len() < answerHeaderBytes-200; i++ {
		fmt.Fprintf(&tiny, "%x:\n", i)
	}
	for name, part := range map[string]part{
		"endless body":          repeats(ok+"\r\n", strings.Repeat("x", 64<<10)),
		"endless headers":       repeats(ok, "X-Filler: "+strings.Repeat("x", 1<<10)+"\r\n"),
		"tiny headers, held":    holds(ok + tiny.String()),
		"tiny headers and body": holds(ok + tiny.String() + "\r\nx"),
		"gzip bomb":             says(fmt.Sprintf(ok+"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(bomb), bomb)),
		"held body":             holds(ok + "Content-Length: 70000\r\n\r\n" + strings.Repeat("x", 60<<10)),
	} {
		address := listenTLS(t, certificate, part)
		before := live()
		done := make(chan struct{}, attempts)
		for range attempts {
			go func() {
				post(t, transport, "https://"+address+"/", 600*time.Millisecond)
				done <- struct{}{}
			}()
		}
		peak, ticker := uint64(0), time.NewTicker(20*time.Millisecond)
		for left := attempts; left > 0; {
			select {
			case <-done:
				left--
			case <-ticker.C:
				peak = max(peak, live())
			}
		}
		ticker.Stop()
		if peak > before+attempts*perAttempt {
			t.Errorf("%s: %d KiB for each attempt, want at most %d", name, (peak-before)/attempts>>10, perAttempt>>10)
		}
		t.Logf("%s: %d KiB for each attempt", name, int64(peak-before)/attempts>>10)
	}
}

// live is the memory in use after a collection.
func live() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
