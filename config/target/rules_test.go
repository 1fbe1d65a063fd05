package target_test

import (
	"net/netip"
	"testing"

	"plausible-webhooks/config/target"
)

func TestParseAllowed(t *testing.T) {
	good := map[string]string{
		"n8n": "n8n", "N8N:5678": "n8n:5678", "hooks.Example.com.": "hooks.example.com", "my_app:80": "my_app:80", "bücher.example": "xn--bcher-kva.example",
		"127.0.0.1": "127.0.0.1", "127.0.0.1:9000": "127.0.0.1:9000", "10.1.2.3/8": "10.0.0.0/8", "10.0.0.0/8:8080": "10.0.0.0/8:8080", "192.168.1.5/32": "192.168.1.5/32",
		"::1": "[::1]", "[::1]": "[::1]", "[::1]:9000": "[::1]:9000", "fd00::/8": "[fd00::]/8", "[fd00::]/8": "[fd00::]/8", "[fd00::]/8:9000": "[fd00::]/8:9000",
		"::ffff:10.0.0.0/104": "10.0.0.0/8", "0.0.0.0/0": "0.0.0.0/0", "::/0": "[::]/0", "localhost": "localhost",
	}
	for text, want := range good {
		got, err := target.ParseAllowed(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
			continue
		}
		if again, err := target.ParseAllowed(got.String()); err != nil || again != got {
			t.Errorf("%s: parsed again: got %s, %v", got, again, err)
		}
	}
	for _, text := range []string{
		"", ":80", "n8n:", "n8n:0", "n8n:65536", "n8n:http", "n8n:+80", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8:0", "10.0.0.0/8/8", "n8n/8", "[n8n]", "[::1", "::1]",
		"[::1]x", "fe80::1%eth0", "127.1", "0x7f.1", "http://n8n", "n8n/path", "a b", "*.example.com", "user@n8n", "[::]/129", "::ffff:10.0.0.0/8",
	} {
		if got, err := target.ParseAllowed(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		}
	}
}

func TestAllowedTargets(t *testing.T) {
	tests := []struct {
		allowed string
		yes, no []string // URLs that may be saved, and that may not.
	}{
		{"n8n:5678",
			[]string{"http://n8n:5678/x", "https://n8n:5678/x"},
			[]string{"http://n8n/", "https://n8n/", "http://n8n:5679/", "http://other:5678/", "http://n8n.example.com:5678/", "ftp://n8n:5678/"}},
		{"n8n",
			[]string{"http://n8n/", "https://n8n/", "http://n8n:5678/", "https://N8N.:5678/"},
			[]string{"http://other/", "https://n8n.internal/"}},
		{"hooks.example.com:8080",
			[]string{"http://hooks.example.com:8080/", "https://hooks.example.com:8080/", "https://hooks.example.com/"},
			[]string{"http://hooks.example.com/", "http://hooks.example.com:8081/", "http://a.hooks.example.com:8080/"}},
		{"127.0.0.1",
			[]string{"http://127.0.0.1/", "http://127.0.0.1:9000/", "https://127.0.0.1/", "http://[::ffff:127.0.0.1]:9/", "http://localhost:9000/"},
			[]string{"http://127.0.0.2/", "http://[::1]/", "http://example.com/", "http://127.1/"}},
		{"127.0.0.1:9000",
			[]string{"http://127.0.0.1:9000/", "https://127.0.0.1:9000/", "http://localhost:9000/"},
			[]string{"http://127.0.0.1:9001/", "https://127.0.0.1/", "http://localhost/", "http://localhost:9001/"}},
		{"127.0.0.0/8",
			[]string{"http://127.0.0.1:12345/", "https://127.9.9.9/", "http://localhost:12345/"},
			[]string{"http://10.0.0.1/", "http://[::1]:12345/", "http://example.com/", "https://example.com:12345/", "http://0.0.0.0:80/"}},
		{"10.0.0.0/8",
			[]string{"http://10.1.2.3:81/", "https://10.1.2.3/", "http://n8n:5678/", "http://n8n.internal/", "http://n8n.lan:5678/", "https://hooks.example.com/"},
			[]string{"http://11.0.0.1/", "http://hooks.example.com/", "https://172.16.0.1/", "https://hooks.example.com:9000/"}},
		{"10.0.0.0/8:8080",
			[]string{"http://10.1.2.3:8080/", "https://10.1.2.3:8080/", "http://n8n:8080/"},
			[]string{"http://10.1.2.3/", "https://10.1.2.3/", "http://10.1.2.3:8081/", "http://n8n/", "https://n8n/", "http://example.com:8080/"}},
		{"[fd00::]/8:8080",
			[]string{"http://[fd00::1]:8080/", "https://[fd12::1]:8080/"},
			[]string{"http://[fd00::1]/", "http://[fc00::1]:8080/"}},
		{"fd00::/8",
			[]string{"http://[fd00::1]:81/"},
			[]string{"http://[fe80::1]:81/", "http://[fc00::1]/"}},
		{"203.0.114.0/24", // Public already: nothing is gained by naming it.
			[]string{"https://203.0.114.5/", "https://203.0.114.5:8443/"},
			[]string{"http://203.0.114.5/", "https://203.0.114.5:9000/"}},
		{"203.0.114.0/24:9000",
			[]string{"https://203.0.114.5:9000/", "http://203.0.114.5:9000/", "https://203.0.114.5/"},
			[]string{"http://203.0.114.5/"}},
		{"203.0.114.5",
			[]string{"https://203.0.114.5/", "http://203.0.114.5/"},
			[]string{"https://203.0.114.5:9000/", "http://203.0.114.5:81/", "http://203.0.114.6/"}},
		{"0.0.0.0/0", // Neither private nor loopback: https, and the usual ports.
			[]string{"https://10.0.0.1/", "https://127.0.0.1:8443/", "https://n8n/"},
			[]string{"http://10.0.0.1/", "https://10.0.0.1:9000/", "http://n8n/", "https://0.0.0.0/", "https://224.0.0.1/", "https://255.255.255.255/"}},
		{"::/0",
			[]string{"https://[::1]/", "https://[64:ff9b::8.8.8.8]/"},
			[]string{"https://[::]/", "https://[ff02::1]/", "https://[64:ff9b::127.0.0.1]/", "https://[64:ff9b::10.0.0.1]/", "http://[::1]/"}},
		{"169.254.0.0/16",
			[]string{"http://169.254.169.254/"},
			[]string{"http://169.255.0.1/"}},
	}
	for _, tt := range tests {
		r := rules(t, tt.allowed)
		for _, raw := range tt.yes {
			if _, err := target.Parse(raw, r); err != nil {
				t.Errorf("with %s, %s: got %v, want it to pass", tt.allowed, raw, err)
			}
		}
		for _, raw := range tt.no {
			if _, err := target.Parse(raw, r); err == nil {
				t.Errorf("with %s, %s: got no error, want a refusal", tt.allowed, raw)
			}
		}
	}
}

// A name that looks public may lie in the operator's network (split-horizon
// DNS): its attempt is decided by its address.
func TestParseSavedLeavesNamesToTheDialer(t *testing.T) {
	for _, raw := range []string{"http://hooks.example.com/", "https://hooks.example.com:9000/"} {
		if _, err := target.ParseSaved(raw, rules(t, "10.0.0.0/8")); err != nil {
			t.Errorf("%s with a range: got %v, want it to pass", raw, err)
		}
		if _, err := target.ParseSaved(raw, rules(t)); err == nil {
			t.Errorf("%s without one: got no error, want a refusal", raw)
		}
	}
}

func TestAllowsAddr(t *testing.T) {
	tests := []struct {
		allowed, scheme, host, address string
		want                           target.Reason // Empty: allowed.
	}{
		{"", "https", "example.com", "8.8.8.8:443", ""},
		{"", "https", "example.com", "[::ffff:8.8.8.8]:443", ""},
		{"", "https", "example.com", "[2606:4700::1]:8443", ""},
		{"", "https", "example.com", "127.0.0.1:443", target.BadAddress},
		{"", "https", "example.com", "[::ffff:127.0.0.1]:443", target.BadAddress},
		{"", "https", "example.com", "[fe80::1%eth0]:443", target.BadAddress},
		{"", "https", "example.com", "168.63.129.16:443", target.BadAddress},
		{"", "http", "example.com", "8.8.8.8:80", target.BadScheme},
		{"", "https", "example.com", "8.8.8.8:22", target.BadPort},
		{"n8n", "http", "n8n", "172.18.0.5:5678", ""},
		{"n8n", "http", "other", "172.18.0.5:5678", target.BadAddress},
		{"n8n", "http", "n8n", "8.8.8.8:80", ""},
		{"n8n", "http", "n8n", "8.8.8.8:5678", target.BadScheme},
		{"n8n", "https", "n8n", "8.8.8.8:5678", target.BadPort},
		{"n8n", "http", "n8n", "0.0.0.0:80", target.BadAddress},
		{"n8n:5678", "http", "n8n", "172.18.0.5:5678", ""},
		{"n8n:5678", "http", "n8n", "172.18.0.5:5679", target.BadAddress},
		{"10.0.0.0/8", "http", "hooks.example.com", "10.1.1.1:8080", ""},
		{"10.0.0.0/8", "http", "hooks.example.com", "11.1.1.1:80", target.BadScheme},
		{"10.0.0.0/8", "https", "hooks.example.com", "[::ffff:10.1.1.1]:9", ""},
		{"10.0.0.0/8", "https", "hooks.example.com", "192.168.0.1:443", target.BadAddress},
		{"0.0.0.0/0", "https", "h", "192.168.0.1:443", ""},
		{"0.0.0.0/0", "http", "h", "192.168.0.1:80", target.BadScheme},
		{"fe80::/10", "http", "h", "[fe80::1%eth0]:80", target.BadAddress},
	}
	for _, tt := range tests {
		r := rules(t)
		if tt.allowed != "" {
			r = rules(t, tt.allowed)
		}
		err := r.AllowsAddr(tt.scheme, tt.host, netip.MustParseAddrPort(tt.address))
		var got target.Reason
		if refusal, ok := err.(*target.Refusal); ok {
			got = refusal.Reason
		}
		if got != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("with %q, %s to %s at %s: got %v, want %q", tt.allowed, tt.scheme, tt.host, tt.address, err, tt.want)
		}
	}
	if err := rules(t).AllowsAddr("https", "x", netip.AddrPort{}); err == nil {
		t.Error("no address is allowed")
	}
}

func TestOwnServerCovers(t *testing.T) {
	lan, loop4, loop6 := netip.MustParseAddr("172.18.0.2"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	database := target.OwnServer{Host: "db", Ports: []uint16{5432}, WholeHost: true}
	plausible := target.OwnServer{Host: "plausible", Ports: []uint16{8000}}
	listener := target.OwnServer{Ports: []uint16{8001}}
	tests := []struct {
		name     string
		own      target.OwnServer
		resolved []netip.Addr
		address  string
		want     bool
	}{
		{"its port", database, []netip.Addr{lan}, "172.18.0.2:5432", true},
		{"any port of a database's host", database, []netip.Addr{lan}, "172.18.0.2:80", true},
		{"mapped", database, []netip.Addr{lan}, "[::ffff:172.18.0.2]:80", true},
		{"another host", database, []netip.Addr{lan}, "172.18.0.3:5432", false},
		{"loopback, its port", database, []netip.Addr{loop4}, "127.0.0.1:5432", true},
		{"loopback, another port", database, []netip.Addr{loop4}, "127.0.0.1:9999", false},
		{"another loopback address", database, []netip.Addr{loop4}, "127.0.0.9:5432", true},
		{"the other family's loopback", database, []netip.Addr{loop6}, "127.0.0.1:5432", true},
		{"unspecified is loopback", database, []netip.Addr{loop4}, "0.0.0.0:5432", true},
		{"both loopback and not", database, []netip.Addr{loop4, lan}, "172.18.0.2:80", true},
		{"unresolved", database, nil, "172.18.0.2:5432", false},
		{"only its port", plausible, []netip.Addr{lan}, "172.18.0.2:8000", true},
		{"another port of the host", plausible, []netip.Addr{lan}, "172.18.0.2:80", false},
		{"listener on every address", listener, []netip.Addr{lan}, "172.18.0.2:8001", true},
		{"listener on loopback", listener, nil, "[::1]:8001", true},
		{"another port of the machine", listener, []netip.Addr{lan}, "127.0.0.1:8003", false},
		{"in well-known NAT64", database, []netip.Addr{lan}, "[64:ff9b::172.18.0.2]:443", true},
		{"in local-use NAT64", database, []netip.Addr{lan}, "[64:ff9b:1::172.18.0.2]:443", true},
		{"in local-use NAT64 of 48 bits", database, []netip.Addr{lan}, "[64:ff9b:1:ac12:0:200::]:443", true},
		{"in 6to4", database, []netip.Addr{lan}, "[2002:ac12:2::1]:443", true},
		{"in Teredo", database, []netip.Addr{lan}, "[2001:0:808:808:0:0:53ed:fffd]:443", true},
		{"in SIIT", database, []netip.Addr{lan}, "[::ffff:0:172.18.0.2]:443", true},
		{"in ISATAP", database, []netip.Addr{lan}, "[fe80::5efe:172.18.0.2]:443", true},
		{"known in NAT64 only", database, []netip.Addr{netip.MustParseAddr("64:ff9b::172.18.0.2")}, "172.18.0.2:443", true},
		{"another one in NAT64", database, []netip.Addr{lan}, "[64:ff9b::172.18.0.3]:443", false},
		{"another machine", listener, []netip.Addr{lan}, "172.18.0.3:8001", false},
	}
	for _, tt := range tests {
		if got := tt.own.Covers(netip.MustParseAddrPort(tt.address), tt.resolved); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// By name, where its addresses are not known: a proxy resolves it, or it does
// not resolve at this moment.
func TestOwnServerIsNamed(t *testing.T) {
	database := target.OwnServer{Host: "Plausible_DB.", Ports: []uint16{5432}, WholeHost: true}
	local := target.OwnServer{Host: "localhost", Ports: []uint16{5432}, WholeHost: true}
	plausible := target.OwnServer{Host: "plausible", Ports: []uint16{8000}}
	loopback := []netip.Addr{netip.MustParseAddr("::1")}
	for _, tt := range []struct {
		own      target.OwnServer
		resolved []netip.Addr
		host     string
		port     uint16
		want     bool
	}{
		{database, nil, "plausible_db", 5432, true},
		{database, nil, "plausible_db", 443, true},
		{database, loopback, "plausible_db", 443, false},
		{database, loopback, "plausible_db", 5432, true},
		{database, nil, "plausible", 5432, false},
		{local, nil, "localhost", 443, false},
		{local, nil, "localhost", 5432, true},
		{plausible, nil, "plausible", 8000, true},
		{plausible, nil, "plausible", 443, false},
		{target.OwnServer{Ports: []uint16{8001}}, nil, "", 8001, false},
	} {
		if got := tt.own.Named(tt.host, tt.port, tt.resolved); got != tt.want {
			t.Errorf("%+v, %s:%d at %v: got %v, want %v", tt.own, tt.host, tt.port, tt.resolved, got, tt.want)
		}
	}
}
