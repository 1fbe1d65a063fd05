package sender

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"plausible-webhooks/config/target"
)

// A name that points elsewhere once it is dialled is refused there: the first
// look-up says public, the dialer's own says loopback.
func TestRebindingNameIsRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, portText, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, _ := target.ParsePort(portText)
	o := Defaults()
	o.Rules.AllowedPorts = []uint16{port}
	public := func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("1.1.1.1")}, nil
	}
	conn, err := newGuard(o, public).dial("https", o.Timeout)(t.Context(), "tcp", "localhost:"+portText)
	if !errors.Is(err, errNotAllowed) {
		t.Errorf("got %v, %v, want the connection refused", conn, err)
	}
}
