package target_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"plausible-webhooks/config/target"
)

// hostileURLs are the families of URLs that must be refused when saved and
// again when attempted, with the reason that the person gets. Families of
// addresses in their usual spelling are in testdata/families.txt.
var hostileURLs = []struct {
	family string
	reason target.Reason
	urls   []string
}{
	{"IPv6 spellings of IPv4 addresses", target.BadAddress, []string{
		"https://[::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[0000::0001]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::FFFF:7F00:0001]/",
		"https://[0:0:0:0:0:ffff:127.0.0.1]/", "https://[::127.0.0.1]/", "https://[::7f00:1]/", "https://[::ffff:0:127.0.0.1]/", "https://[64:ff9b::127.0.0.1]/",
	}},
	{"final dot", target.BadAddress, []string{"https://127.0.0.1./", "https://169.254.169.254.:443/"}},
	{"short forms", target.BadHost, []string{"https://127.1/", "https://127.0.1/", "https://127/", "https://0/", "https://10.1/", "https://169.254.43518/"}},
	{"decimal numbers", target.BadHost, []string{"https://2130706433/", "https://2852039166/", "https://4294967295/", "https://4294967296/", "https://02130706433/"}},
	{"hexadecimal numbers", target.BadHost, []string{
		"https://0x7f000001/", "https://0X7F.0.0.1/", "https://0x7f.1/", "https://0x7f.0x0.0x0.0x1/", "https://0xa9fea9fe/", "https://0x/", "https://0x7f.0.0.0x/", "https://example.com.0x1f/",
	}},
	{"octal numbers", target.BadHost, []string{"https://0177.0.0.1/", "https://017700000001/", "https://127.0.0.01/", "https://0177.1/", "https://0251.0376.0251.0376/", "https://00000177.0.0.1/"}},
	{"numbers too many or too large", target.BadHost, []string{"https://256.1.1.1/", "https://1.2.3.4.5/", "https://127.0.0.257/", "https://1.2.3.999/", "https://example.com.1/"}},
	{"IDNA spellings of digits", target.BadHost, []string{"https://１２７.０.０.１/", "https://①②⑦.⓪.⓪.①/", "https://𝟏𝟐𝟕.𝟎.𝟎.𝟏/", "https://¹²⁷.⁰.⁰.¹/", "https://１２７.1/", "https://０ｘ７ｆ.1/"}},
	{"IDNA spellings of dots", target.BadHost, []string{"https://127。0。0。1/", "https://127．0．0．1/", "https://127｡0｡0｡1/", "https://localhost。/"}},
	{"IDNA spellings of letters", target.BadHost, []string{"https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "https://ｌｏｃａｌｈｏｓｔ/", "https://𝓁ocalhost/", "https://loca\u00adlhost/", "https://ₗocalhost/", "https://printer.ｌｏｃａｌ/"}},
	{"IDNA spellings of separators", target.BadHost, []string{"https://example.com／x", "https://example.com＠127.0.0.1/", "https://example.com：443/", "https://example.com？x", "https://a℀b.com/", "https://example.com＃x"}},
	{"not internationalised names", target.BadHost, []string{"https://xn--a.example/", "https://xn--/", "https://xn--localhost-/", "https://xn--127.0.0.1-/", "https://\u200b.com/", "https://exa\u00admple.-com/", "https://a\u2024-.com/", "https://\u202eexample.com/"}},
	{"localhost", target.BadHost, []string{"https://localhost/", "https://LocalHost/", "https://localhost./", "https://foo.localhost/", "https://foo.localhost./", "https://localhost.localdomain/", "https://localhost:8443/"}},
	{"single labels and container names", target.BadHost, []string{"https://plausible_db/", "https://plausible/", "https://plausible_events_db:8443/", "https://n8n/", "https://com/"}},
	{"names of private networks", target.BadHost, []string{"https://printer.local/", "https://router.home.arpa/", "https://a.internal./", "https://HOST.INTERNAL/"}},
	{"names of metadata services and hosts", target.BadHost, []string{"https://metadata.google.internal/", "https://metadata/", "https://host.docker.internal/", "https://gateway.docker.internal/", "https://instance-data/"}},
	{"zones", target.BadHost, []string{"https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[::1%2525.example.com]/", "https://[2606:4700::1%25eth0]/"}},
	{"percent-encoded hosts", target.BadHost, []string{"https://%31%32%37.0.0.1/", "https://example%2ecom/", "https://exa%00mple.com/", "https://localhos%74/", "https://[%3a%3a1]/"}},
	{"brackets", target.BadHost, []string{
		"https://[::1/", "https://::1]/", "https://[::1]x/", "https://[[::1]]/", "https://[127.0.0.1]/", "https://[example.com]/", "https://[]/", "https://2606:4700::1/",
		"https://[::1]]/", "https://[::1][::1]/", "https://x[::1]/", "https://[::1]:443]/", "https://[v1.x]/",
	}},
	{"no host", target.BadHost, []string{"https:///path", "https://?x", "https://.", "https://./", "https://:443/", "https:////example.com/"}},
	{"labels", target.BadHost, []string{
		"https://example..com/", "https://.example.com/", "https://example.com../", "https://-a.example.com/", "https://a-.example.com/", "https://a,b.com/", "https://a!b.com/", "https://a'b.com/",
		"https://a*b.com/", "https://a$b.com/", "https://a&b.com/", "https://a;b.com/", "https://a(b).com/", "https://{a}.com/", "https://a|b.com/", "https://a^b.com/", "https://`a`.com/", "https://\"a\".com/", "https://<a>.com/",
	}},
	{"over-long names and labels", target.BadHost, []string{
		"https://" + strings.Repeat("a", 64) + ".com/", "https://" + strings.Repeat("a.", 127) + "com/", "https://" + strings.Repeat("ü", 60) + ".com/", "https://" + strings.Repeat(strings.Repeat("a", 63)+".", 4) + "com/",
	}},
	{"ports out of range", target.BadPort, []string{"https://example.com:0/", "https://example.com:00/", "https://example.com:65536/", "https://example.com:99999999999999999999/", "https://example.com:65979/", "https://example.com:4294967739/"}},
	{"signed ports", target.BadPort, []string{"https://example.com:-1/", "https://example.com:+443/", "https://example.com:-443/"}},
	{"ports that are no ASCII numbers", target.BadPort, []string{"https://example.com:４４３/", "https://example.com:٤٤٣/", "https://example.com:0x1bb/", "https://example.com:/", "https://example.com:443a/", "https://example.com:https/", "https://example.com:4_43/", "https://example.com:443.0/"}},
	{"ports that are not allowed", target.BadPort, []string{"https://example.com:80/", "https://example.com:22/", "https://8.8.8.8:53/", "https://[2606:4700::1]:25/", "https://example.com:5432/"}},
	{"several ports", target.BadHost, []string{"https://example.com:80:443/", "https://example.com:443:443/"}},
	{"http", target.BadScheme, []string{"http://example.com/", "http://8.8.8.8/", "HTTP://example.com:443/", "hTTp://[2606:4700::1]/"}},
	{"other schemes", target.BadScheme, []string{
		"ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "data:text/plain,x", "unix:///var/run/docker.sock", "wss://example.com/", "httpss://example.com/",
		"https+unix://example.com/", "hțtps://example.com/", "ｈttps://example.com/", "httpſ://example.com/", "ldap://example.com/", "dict://example.com/", "jar:https://example.com!/", "blob:https://example.com/x", "view-source:https://example.com/",
	}},
	{"no scheme", target.BadScheme, []string{"https:/example.com", "https:example.com", "example.com", "//example.com/", "://example.com", "/path", "https", "https:", "https//example.com/", "127.0.0.1:8123"}},
	{"user names and passwords", target.BadSyntax, []string{
		"https://user@example.com/", "https://user:pw@example.com/", "https://@example.com/", "https://example.com@127.0.0.1/", "https://a@b@c.com/", "https://:@example.com/", "https://example.com:443@127.0.0.1/", "https://user%40x@example.com/",
	}},
	{"fragments", target.BadSyntax, []string{"https://example.com/#x", "https://example.com#", "https://example.com#@127.0.0.1/", "https://127.0.0.1#.example.com/", "https://example.com?#x"}},
	{"backslashes", target.BadSyntax, []string{`https://example.com\@127.0.0.1/`, `https:\\example.com`, `https://example.com\.evil.example/`, `https://example.com/\..\x`, `\\example.com\x`}},
	{"spaces and control characters", target.BadSyntax, []string{
		"", " https://example.com", "https://example.com/ x", "https://exa mple.com/", "https://example.com/\x00", "https://example.com/\r\nHost: x", "https://example.com\n", "https://exa\tmple.com",
		"https://example.com/\x7f", "\thttps://example.com/", "https://example.com/\x1b", "java\nscript://example.com/", "https://example.com\x00.evil.example/",
	}},
	{"bad encodings", target.BadSyntax, []string{"https://example.com/%zz", "https://example.com/%", "https://example.com/%4", "https://example.com/\xff", "https://\xff.com/", "https://example.com/\xed\xa0\x80"}},
	{"over-long URLs", target.BadSyntax, []string{"https://example.com/" + strings.Repeat("a", 2049-20), "https://example.com/" + strings.Repeat("ü", 700), "https://" + strings.Repeat("a", 1<<20), strings.Repeat("a", 1<<20)}},
}

func TestHostileURLsAreRefused(t *testing.T) {
	r := rules(t)
	for _, f := range hostileURLs {
		t.Run(f.family, func(t *testing.T) {
			for _, raw := range f.urls {
				for name, parse := range map[string]func(string, target.Rules) (target.URL, error){"save": target.Parse, "attempt": target.ParseSaved} {
					got, err := parse(raw, r)
					var refusal *target.Refusal
					if !errors.As(err, &refusal) || !errors.Is(err, target.ErrRefused) || refusal.Reason != f.reason {
						t.Errorf("%s %.60q: got %s, %v, want a refusal because of its %s", name, raw, got.Reveal(), err, f.reason)
						continue
					}
					if s := refusal.Sentence(); !got.IsZero() || !strings.HasSuffix(s, ".") || s[0] < 'A' || s[0] > 'Z' {
						t.Errorf("%s %.60q: got %q, want a sentence", name, raw, s)
					}
				}
			}
		})
	}
}

// Every refused address has one text, so that nobody learns the operator's
// network from differences; a range that is allowed changes nothing of it.
func TestRefusedAddressesHaveOneText(t *testing.T) {
	texts := make(map[string]string)
	for _, r := range []target.Rules{rules(t), rules(t, "10.0.0.0/8:8080", "n8n")} {
		for _, f := range families(t) {
			for _, addr := range f.refused {
				if err := r.AllowsAddr("https", "example.com", netip.AddrPortFrom(addr, 443)); err != nil {
					texts[err.Error()] = addr.String()
				}
			}
		}
	}
	if len(texts) != 1 {
		t.Errorf("got %v, want one text", texts)
	}
}
