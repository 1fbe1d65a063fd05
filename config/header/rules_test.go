package header_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"

	"github.com/google/go-cmp/cmp"
)

// hidden is part of every value that must not be shown.
const hidden = "T0KEN"

func one(name, value string) []header.Header {
	return []header.Header{{Name: name, Value: secret.New(value)}}
}

func many(n int, value string) []header.Header {
	var headers []header.Header
	for i := range n {
		headers = append(headers, one(fmt.Sprintf("X-%03d", i), value)...)
	}
	return headers
}

// told are mistakes as "index part: text".
func told(found []*header.Mistake) []string {
	var lines []string
	for _, m := range found {
		lines = append(lines, fmt.Sprintf("%d %s: %s", m.Index, m.Part, m))
	}
	return lines
}

func TestAccepted(t *testing.T) {
	for name, headers := range map[string][]header.Header{
		"none":                     nil,
		"a credential":             one("Authorization", "Bearer "+hidden),
		"the same in lower case":   one("authorization", "Basic dTpw"),
		"every letter of a token":  one("!#$%&'*+-.^_`|~0aZ", "v"),
		"one letter":               one("x", "v"),
		"blanks and tabs inside":   one("X-Key", "a b\tc"),
		"letters beyond ASCII":     one("X-Key", "Grüße"),
		"looks almost refused":     one("X-Webhook", "v"),
		"begins almost as refused": one("Contents-Of", "v"),
		"the longest value":        one("X-Key", strings.Repeat("v", header.MaxValueBytes)),
		"as many as there may be":  many(header.MaxCount, "v"),
		"as much as there may be":  {{Name: "A", Value: secret.New(strings.Repeat("v", 4096))}, {Name: "B", Value: secret.New(strings.Repeat("v", 4094))}},
	} {
		if found := header.Check(headers); len(found) > 0 {
			t.Errorf("%s: %v", name, told(found))
		}
	}
}

// refusedNames are spelt as people do; any case is refused.
var refusedNames = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
	"Host", "Content-Length", "Content-Type", "Content-Encoding", "Content-Anything", "Expect", "Cookie", "Set-Cookie", "User-Agent",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via",
	"webhook-id", "Webhook-Timestamp", "Webhook-Signature", "webhook-anything", "X-Webhook-Event", "X-Webhook-Signature", "X-Webhook-Anything",
	"Idempotency-Key", "X-Idempotency-Key",
}

func TestRefusedNames(t *testing.T) {
	for _, name := range refusedNames {
		for _, spelt := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			found := header.Check(one(spelt, hidden))
			if len(found) != 1 || found[0].Part != header.Name || !strings.Contains(found[0].Error(), "header "+spelt+" is not allowed: ") {
				t.Errorf("%s: got %v, want it refused by name", spelt, told(found))
			}
		}
	}
}

// invalidNames are never shown: each may be a value in the wrong place.
var invalidNames = []string{
	"", " ", "X Key" + hidden, "X-Key: " + hidden, "X-Key\r\nX-Other" + hidden, "X-Key\x00" + hidden, "Schlüssel" + hidden, "(" + hidden + ")", hidden + "\t", "X/" + hidden, "\"" + hidden + "\"", "X-Key:",
}

func TestInvalidNames(t *testing.T) {
	for _, name := range invalidNames {
		found := header.Check(one(name, "v"))
		if len(found) != 1 || found[0].Part != header.Name || !strings.Contains(found[0].Error(), "not valid") || strings.Contains(found[0].Error(), hidden) {
			t.Errorf("%q: got %v, want it refused and not shown", name, told(found))
		}
	}
}

var refusedValues = map[string]string{
	"":                                 "is empty",
	" " + hidden:                       "begins or ends with a blank",
	hidden + "\t":                      "begins or ends with a blank",
	"\t":                               "begins or ends with a blank",
	hidden + "\r\nX-Other: b":          "holds a line break or another control character",
	hidden + "\n":                      "holds a line break or another control character",
	hidden + "\x00":                    "holds a line break or another control character",
	"\x7f" + hidden:                    "holds a line break or another control character",
	hidden + "\xff":                    "is not valid UTF-8",
	"enc1:" + hidden:                   `begins with "enc1:"`,
	strings.Repeat("v", 4097) + hidden: "has 4102 bytes, want at most 4096",
	strings.Repeat("v", 64<<10):        "has 65536 bytes, want at most 4096",
}

func TestRefusedValues(t *testing.T) {
	for value, want := range refusedValues {
		found := header.Check(one("X-Key", value))
		if len(found) == 0 || found[0].Part != header.Value || found[0].Index != 0 || !strings.Contains(found[0].Error(), "the value of header X-Key "+want) {
			t.Errorf("%.20q: got %v, want %q", value, told(found), want)
		}
		for _, m := range found {
			if strings.Contains(m.Error(), hidden) {
				t.Errorf("%.20q is shown: %v", value, m)
			}
		}
	}
}

func TestEveryMistakeIsTold(t *testing.T) {
	got := told(header.Check(append(one("Host", "v"), header.Header{Name: "X-Key", Value: secret.New("v")}, header.Header{Name: "x-kEY", Value: secret.New("w")}, header.Header{Name: "X-Other"})))
	want := []string{
		"0 name: header Host is not allowed: it is about the connection, which the sidecar manages",
		"2 name: header x-kEY is given twice; names that differ in case are the same",
		"3 value: the value of header X-Other is empty",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
	got = told(header.Check(many(21, "v")))
	if diff := cmp.Diff([]string{"-1 : 21 headers are more than the 20 that one webhook may have"}, got); diff != "" {
		t.Errorf("21 headers (-want +got):\n%s", diff)
	}
	got = told(header.Check(many(3, strings.Repeat("v", 3000))))
	if diff := cmp.Diff([]string{"-1 : the headers have 9015 bytes in all, names included; want at most 8192"}, got); diff != "" {
		t.Errorf("9000 bytes (-want +got):\n%s", diff)
	}
	if n := len(header.Check(many(100, strings.Repeat("v", 64<<10)))); n != 102 {
		t.Errorf("100 long headers: got %d mistakes, want one for each and two for all", n)
	}
}

// Whatever passes must arrive as it is, and leave the rest of the request as it
// was: net/http writes it, and its server's parser reads it.
func FuzzCheck(f *testing.F) {
	for _, name := range append(append([]string{"X-Key", "authorization", "x"}, refusedNames...), invalidNames...) {
		f.Add(name, "Bearer abc")
	}
	for value := range refusedValues {
		f.Add("X-Key", value)
	}
	f.Add("X-Key", "Grüße\u0085")
	f.Fuzz(func(t *testing.T, name, value string) {
		found := header.Check(one(name, value))
		for _, m := range found {
			if len(value) > 8 && strings.Contains(m.Error(), value) && !strings.Contains(name, value) {
				t.Errorf("%q is shown: %v", value, m)
			}
		}
		if len(found) > 0 || strings.EqualFold(name, "Pragma") {
			return // What the server's parser makes of Pragma is its own affair.
		}
		const body = `{"a":1}`
		request, err := http.NewRequest(http.MethodPost, "https://receiver.example/hook", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("User-Agent", "ours")
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Webhook-Id", "ours")
		want := request.Header.Clone()
		request.Header.Set(name, value)
		want.Set(name, value)
		want.Set("Content-Length", fmt.Sprint(len(body)))
		var wire bytes.Buffer
		if err := request.Write(&wire); err != nil {
			t.Fatal(err)
		}
		read, err := http.ReadRequest(bufio.NewReader(&wire))
		if err != nil {
			t.Fatalf("%q: %q: the server cannot read it: %v", name, value, err)
		}
		read.Header.Set("Content-Length", fmt.Sprint(read.ContentLength))
		if diff := cmp.Diff(want, read.Header); diff != "" || read.Host != "receiver.example" || read.Close {
			t.Errorf("%q: %q: (-want +got) %s, host %s", name, value, diff, read.Host)
		}
	})
}
