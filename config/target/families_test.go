package target_test

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"plausible-webhooks/config/target"
)

// family is a line of testdata/families.txt.
type family struct {
	name            string
	refused, public []netip.Addr
}

func families(t testing.TB) []family {
	t.Helper()
	text, err := os.ReadFile("testdata/families.txt")
	if err != nil {
		t.Fatal(err)
	}
	parse := func(list string) (addrs []netip.Addr) {
		for _, field := range strings.Fields(list) {
			addrs = append(addrs, netip.MustParseAddr(field))
		}
		return addrs
	}
	var all []family
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		columns := strings.Split(line, "|")
		if len(columns) != 3 {
			t.Fatalf("families.txt: %q has not three columns", line)
		}
		all = append(all, family{strings.TrimSpace(columns[0]), parse(columns[1]), parse(columns[2])})
	}
	return all
}

// Each family is refused when a URL is saved, before an attempt, and by what
// the dialer asks; its public neighbours pass.
func TestFamiliesOfAddresses(t *testing.T) {
	r := rules(t)
	for _, f := range families(t) {
		t.Run(f.name, func(t *testing.T) {
			check := func(addr netip.Addr, public bool) {
				t.Helper()
				if got := target.Public(addr); got != public {
					t.Errorf("%s: public is %t, want %t", addr, got, public)
				}
				err := r.AllowsAddr("https", "example.com", netip.AddrPortFrom(addr, 443))
				refusal := (*target.Refusal)(nil)
				if (err == nil) != public || !public && (!errors.As(err, &refusal) || refusal.Reason != target.BadAddress) {
					t.Errorf("dialling %s: got %v", addr, err)
				}
				if addr.Zone() != "" {
					return // TestHostileURLsAreRefused: such a URL has no host.
				}
				for _, raw := range spellings(addr) {
					_, saved := target.Parse(raw, r)
					_, tried := target.ParseSaved(raw, r)
					if (saved == nil) != public || (tried == nil) != public {
						t.Errorf("%s: got %v when saved and %v when tried", raw, saved, tried)
					}
				}
			}
			for _, addr := range f.refused {
				check(addr, false)
			}
			for _, addr := range f.public {
				check(addr, true)
			}
		})
	}
}

// spellings are the ways in which a URL can hold an address.
func spellings(addr netip.Addr) []string {
	if addr.Is4() {
		return []string{"https://" + addr.String() + "/", "https://" + addr.String() + "./", "https://[::ffff:" + addr.String() + "]/", "https://" + addr.String() + ":8443?x"}
	}
	return []string{"https://[" + addr.String() + "]/", "https://[" + addr.StringExpanded() + "]/", "https://[" + strings.ToUpper(addr.String()) + "]:8443/"}
}

// Whatever range is allowed, an address that carries another one inside is no
// way around what is refused there.
func TestCarriedAddressesAreRefusedWhateverIsAllowed(t *testing.T) {
	everything := rules(t, "0.0.0.0/0", "::/0")
	for _, text := range []string{
		"0.0.0.0", "::", "::ffff:0.0.0.0", "255.255.255.255", "224.0.0.1", "ff02::1", "::ffff:224.0.0.1",
		"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::168.63.129.16", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::",
		"2001:0:808:808:0:0:f5ff:fffe", "::ffff:0:127.0.0.1", "::127.0.0.1", "::10.0.0.1", "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1",
	} {
		if err := everything.AllowsAddr("https", "example.com", netip.AddrPortFrom(netip.MustParseAddr(text), 443)); err == nil {
			t.Errorf("%s: got no error, want a refusal", text)
		}
	}
	for _, text := range []string{"127.0.0.1", "::1", "10.0.0.1", "fd00::1", "64:ff9b::8.8.8.8", "2002:808:808::1", "2606:4700::5efe:8.8.8.8", "2606:4700::1"} {
		if err := everything.AllowsAddr("https", "example.com", netip.AddrPortFrom(netip.MustParseAddr(text), 443)); err != nil {
			t.Errorf("%s: got %v, want it allowed", text, err)
		}
	}
}
