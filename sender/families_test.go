package sender

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

// hostileFamilies are the refused addresses of config/target's list, by the
// name of their family.
func hostileFamilies(t *testing.T) map[string][]netip.Addr {
	t.Helper()
	text, err := os.ReadFile("../config/target/testdata/families.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]netip.Addr)
	for line := range strings.Lines(string(text)) {
		name, rest, ok := strings.Cut(line, "|")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		refused, _, _ := strings.Cut(rest, "|")
		for _, field := range strings.Fields(refused) {
			all[strings.TrimSpace(name)] = append(all[strings.TrimSpace(name)], netip.MustParseAddr(field))
		}
	}
	if len(all) < 30 {
		t.Fatalf("got %d families, want all of the list", len(all))
	}
	return all
}

// answering looks every name up with the same answers.
func answering(answers ...netip.Addr) resolve {
	return func(context.Context, string, string) ([]netip.Addr, error) { return answers, nil }
}

// The dialer refuses each family: as the only answer of a name, as one of
// several, and as what is really dialled after a look-up that said otherwise.
func TestDialerRefusesFamilies(t *testing.T) {
	four, six := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2606:4700::1111")
	o := Defaults()
	for name, addrs := range hostileFamilies(t) {
		t.Run(name, func(t *testing.T) {
			for _, addr := range addrs {
				for how, lookup := range map[string]resolve{
					"only": answering(addr), "first": answering(addr, four, six), "last": answering(four, six, addr),
				} {
					conn, err := newGuard(o, lookup).dial("https", o.Timeout)(t.Context(), "tcp", "hooks.example:443")
					if !errors.Is(err, errNotAllowed) || err.Error() != errNotAllowed.Error() {
						t.Errorf("%s as the %s answer: got %v, %v, want the one text", addr, how, conn, err)
					}
				}
				// As after a second look-up: the first one lied.
				conn, err := newGuard(o, answering(four)).dial("https", o.Timeout)(t.Context(), "tcp", net.JoinHostPort(addr.String(), "443"))
				if addr.Is6() && errors.Is(err, syscall.EAFNOSUPPORT) {
					continue // A machine without IPv6 gets no further.
				}
				if !errors.Is(err, errNotAllowed) || err.Error() != errNotAllowed.Error() {
					t.Errorf("%s when dialled: got %v, %v, want the one text", addr, conn, err)
				}
			}
		})
	}
}
