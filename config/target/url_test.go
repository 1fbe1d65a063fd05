package target_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"plausible-webhooks/config/target"
)

func rules(t testing.TB, allowed ...string) target.Rules {
	t.Helper()
	r := target.Rules{AllowedPorts: target.DefaultPorts()}
	for _, text := range allowed {
		a, err := target.ParseAllowed(text)
		if err != nil {
			t.Fatalf("allow %s: %v", text, err)
		}
		r.AllowedTargets = append(r.AllowedTargets, a)
	}
	return r
}

func TestParseNormalises(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"https://example.com", "https://example.com"},
		{"HTTPS://Hooks.EXAMPLE.com/Path?Q=A", "https://hooks.example.com/Path?Q=A"},
		{"https://example.com:443/x", "https://example.com/x"},
		{"https://example.com:0443/x", "https://example.com/x"},
		{"https://example.com:8443/x", "https://example.com:8443/x"},
		{"https://example.com./x", "https://example.com/x"},
		{"https://example.com?a=1&b=%20", "https://example.com/?a=1&b=%20"},
		{"https://example.com/a%2Fb//c/../d;e=f", "https://example.com/a%2Fb//c/../d;e=f"},
		{"https://bücher.example/ü?ü=1", "https://xn--bcher-kva.example/%C3%BC?%C3%BC=1"},
		{"https://XN--BCHER-KVA.example", "https://xn--bcher-kva.example"},
		{"https://example。com/", "https://example.com/"},
		{"https://faß.example", "https://xn--fa-hia.example"},
		{"https://my_hook.example.com/", "https://my_hook.example.com/"},
		{"https://8.8.8.8/", "https://8.8.8.8/"},
		{"https://8.8.8.8./", "https://8.8.8.8/"},
		{"https://[2606:4700:4700::1111]:8443/", "https://[2606:4700:4700::1111]:8443/"},
		{"https://[2606:4700:4700:0:0::1111]/", "https://[2606:4700:4700::1111]/"},
		{"https://[::ffff:8.8.8.8]/", "https://8.8.8.8/"},
		{"https://3com.example.0x/", ""},
		{"https://127.0.0.1.nip.io/", "https://127.0.0.1.nip.io/"}, // The dialer's to refuse.
		{"https://example.com/" + strings.Repeat("a", 2048-20), "https://example.com/" + strings.Repeat("a", 2048-20)},
	}
	for _, tt := range tests {
		got, err := target.Parse(tt.raw, rules(t))
		if got.Reveal() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %s, %v, want %s", tt.raw, got.Reveal(), err, tt.want)
		}
		if tt.want == "" {
			continue
		}
		if again, err := target.Parse(got.Reveal(), rules(t)); err != nil || again.Reveal() != got.Reveal() {
			t.Errorf("%s: parsed again: got %s, %v", got.Reveal(), again.Reveal(), err)
		}
	}
}

// hostileURLs are every family that must be refused when saved and again when
// attempted, by the reason that the person gets.
var hostileURLs = map[target.Reason][]string{
	target.BadAddress: {
		// Loopback and unspecified.
		"https://127.0.0.1/", "https://127.255.255.254/", "https://[::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/",
		"https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[::ffff:0:127.0.0.1]/", "https://0.0.0.0/", "https://[::]/", "https://0.1.2.3/",
		"https://127.0.0.1./",
		// Link-local, private, shared, benchmark, documentation, reserved.
		"https://169.254.0.1/", "https://[fe80::1]/", "https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/",
		"https://100.64.0.1/", "https://100.127.255.255/", "https://198.18.0.1/", "https://198.19.255.255/", "https://192.0.2.1/", "https://198.51.100.1/",
		"https://203.0.113.1/", "https://192.0.0.1/", "https://192.88.99.1/", "https://240.0.0.1/", "https://255.255.255.255/", "https://224.0.0.1/",
		"https://239.255.255.255/", "https://[ff02::1]/", "https://[ff0e::1]/", "https://[fec0::1]/", "https://[fc00::1]/", "https://[fdff::1]/",
		"https://[2001:db8::1]/", "https://[3fff::1]/", "https://[100::1]/", "https://[5f00::1]/", "https://[2001:10::1]/", "https://[100:0:0:1::1]/",
		// Transition forms, which carry such an address.
		"https://[64:ff9b::127.0.0.1]/", "https://[64:ff9b::10.0.0.1]/", "https://[64:ff9b:1::10.0.0.1]/", "https://[2002:7f00:1::]/", "https://[2002:a00:1::1]/",
		"https://[2001:0:7f00:1::]/", "https://[2001::f5ff:fffe]/",
		// Metadata services: AWS, ECS, GCP, Azure, Alibaba, Oracle.
		"https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "https://169.254.170.2/", "https://[fd20:ce::254]/",
		"https://168.63.129.16/", "https://[::ffff:168.63.129.16]/", "https://100.100.100.200/", "https://192.0.0.192/",
	},
	target.BadHost: {
		// Addresses that only lenient parsers read.
		"https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0X7F.0.0.1/", "https://0x7f.1/", "https://0177.0.0.1/",
		"https://017700000001/", "https://127.0.0.01/", "https://0/", "https://0x/", "https://256.1.1.1/", "https://1.2.3.4.5/", "https://example.com.0x1f/",
		// IDNA spellings of digits and dots.
		"https://１２７.０.０.１/", "https://127。0。0。1/", "https://①②⑦.⓪.⓪.①/", "https://𝟏𝟐𝟕.𝟎.𝟎.𝟏/", "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "https://ｌｏｃａｌｈｏｓｔ/",
		// Names of the machine and of private networks.
		"https://localhost/", "https://LocalHost/", "https://localhost./", "https://foo.localhost/", "https://localhost.localdomain/", "https://plausible_db/", "https://plausible/",
		"https://n8n/", "https://printer.local/", "https://metadata.google.internal/", "https://router.home.arpa/", "https://host.docker.internal/",
		// Zones, encodings, brackets.
		"https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[::1%2525.example.com]/", "https://%31%32%37.0.0.1/", "https://example%2ecom/", "https://exa%00mple.com/",
		"https://[::1/", "https://::1]/", "https://[::1]x/", "https://[[::1]]/", "https://[127.0.0.1]/", "https://[example.com]/", "https://[]/", "https://2606:4700::1/", "https://example.com:80:443/",
		"https://[::1]]/", "https://[::1][::1]/",
		// Labels.
		"https:///path", "https://?x", "https://.", "https://example..com/", "https://.example.com/", "https://example.com../", "https://-a.example.com/", "https://a-.example.com/",
		"https://" + strings.Repeat("a", 64) + ".com/", "https://" + strings.Repeat("a.", 127) + "com/", "https://a,b.com/", "https://a!b.com/", "https://a'b.com/",
		"https://xn--a.example/", "https://xn--/", "https://\u200b.com/", "https://exa\u00admple.-com/", "https://a\u2024-.com/",
	},
	target.BadPort: {
		"https://example.com:0/", "https://example.com:65536/", "https://example.com:99999999999999999999/", "https://example.com:-1/", "https://example.com:+443/",
		"https://example.com:４４３/", "https://example.com:0x1bb/", "https://example.com:/", "https://example.com:443a/", "https://example.com:80/", "https://example.com:22/",
		"https://8.8.8.8:53/", "https://[2606:4700::1]:25/",
	},
	target.BadScheme: {
		"http://example.com/", "http://8.8.8.8/", "HTTP://example.com:443/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)", "data:text/plain,x",
		"unix:///var/run/docker.sock", "https:/example.com", "https:example.com", "example.com", "//example.com/", "://example.com", "/path", "https", "wss://example.com/", "hțtps://example.com/",
	},
	target.BadSyntax: {
		"", " https://example.com", "https://example.com/ x", "https://exa mple.com/", "https://example.com/\x00", "https://example.com/\r\nHost: x", "https://example.com\n", "https://exa\tmple.com",
		"https://example.com/\x7f", `https://example.com\@127.0.0.1/`, `https:\\example.com`, "https://user@example.com/", "https://user:pw@example.com/", "https://@example.com/", "https://example.com@127.0.0.1/",
		"https://a@b@c.com/", "https://example.com/#x", "https://example.com#", "https://example.com#@127.0.0.1/", "https://example.com/%zz", "https://example.com/%", "https://example.com/\xff", "https://\xff.com/",
		"https://example.com/" + strings.Repeat("a", 2049-20), "https://example.com/" + strings.Repeat("ü", 700),
	},
}

func TestHostileURLsAreRefused(t *testing.T) {
	r := rules(t)
	for reason, list := range hostileURLs {
		for _, raw := range list {
			for name, parse := range map[string]func(string, target.Rules) (target.URL, error){"save": target.Parse, "attempt": target.ParseSaved} {
				got, err := parse(raw, r)
				var refusal *target.Refusal
				if !errors.As(err, &refusal) || !errors.Is(err, target.ErrRefused) || refusal.Reason != reason {
					t.Errorf("%s %q: got %s, %v, want a refusal because of its %s", name, raw, got.Reveal(), err, reason)
					continue
				}
				if s := refusal.Sentence(); !got.IsZero() || !strings.HasSuffix(s, ".") || s[0] < 'A' || s[0] > 'Z' {
					t.Errorf("%s %q: got %q, want a sentence", name, raw, s)
				}
			}
		}
	}
}

// The neighbours of each special range are public and must stay reachable.
func TestPublicNeighboursPass(t *testing.T) {
	for _, host := range []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.1",
		"172.15.255.255", "172.32.0.1", "192.0.1.1", "192.0.3.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1", "198.51.99.255", "198.51.101.1",
		"203.0.112.255", "203.0.114.1", "223.255.255.255", "168.63.129.15", "168.63.129.17", "192.88.98.255", "192.88.100.1",
		"[2001:200::1]", "[2001:db7:ffff::1]", "[2001:db9::1]", "[2003::1]", "[2001:ffff::1]", "[3ffe:ffff::1]", "[3fff:1000::1]", "[2000::1]",
	} {
		if _, err := target.Parse("https://"+host+"/", rules(t)); err != nil {
			t.Errorf("%s: got %v, want it to pass", host, err)
		}
	}
}

func TestURLPrintsWithoutItsPath(t *testing.T) {
	u, err := target.Parse("https://hooks.slack.com/services/T0/B0/hidden?token=hidden", rules(t))
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Public  target.URL
		private target.URL
	}
	asJSON, err := json.Marshal(holder{u, u})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprint(u), fmt.Sprintf("%+v %#v", u, u), fmt.Sprintf("%+v %#v", holder{u, u}, holder{u, u}), string(asJSON)} {
		if strings.Contains(got, "hidden") || !strings.Contains(got, "https://hooks.slack.com") {
			t.Errorf("got %s, want scheme and host only", got)
		}
	}
	if v, err := u.Value(); v != nil || err == nil {
		t.Errorf("a driver got %v, %v, want an error", v, err)
	}
	if u.Scheme() != "https" || u.Host() != "hooks.slack.com" || u.Port() != 443 {
		t.Errorf("got %s, %s, %d, want the parts of the URL", u.Scheme(), u.Host(), u.Port())
	}
	if zero := (target.URL{}); !zero.IsZero() || zero.String()+zero.Reveal()+zero.Host()+zero.Scheme() != "" || zero.Port() != 0 {
		t.Error("the zero URL is not empty")
	}
}

func TestDisplay(t *testing.T) {
	tests := []struct{ raw, want string }{
		{"https://hooks.slack.com/services/hidden", "https://hooks.slack.com"},
		{"https://hidden:hidden@Example.com:8443/hidden#hidden", "https://example.com:8443"},
		{"http://127.0.0.1:9000?hidden", "http://127.0.0.1:9000"},
		{"https://[::1]/hidden", "https://[::1]"},
		{"https://bücher.example/hidden", "https://xn--bcher-kva.example"},
		{"https://example.com/hid den\n", "https://example.com"},
		{"https://example.com\\hidden", "https://example.com"},
		{"https://exam ple.com/hidden", "(not a URL)"},
		{"ftp://example.com/hidden", "(not a URL)"},
		{"hidden", "(not a URL)"},
		{"", "(not a URL)"},
	}
	for _, tt := range tests {
		if got := target.Display(tt.raw); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.raw, got, tt.want)
		}
	}
}
