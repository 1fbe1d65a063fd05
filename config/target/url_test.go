package target_test

import (
	"encoding/json"
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
