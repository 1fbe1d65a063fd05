package faulty_test

import (
	"strings"
	"testing"

	"plausible-webhooks/deploy/devstack/faulty"
)

func TestStallAfterBytes(t *testing.T) {
	server, read := echo(t)
	p := start(t, server)
	p.Befall(func(connection int) (fault faulty.Fault) {
		if connection == 1 {
			fault.StallDown = 3
		}
		return fault
	})
	stalled := dial(t, p)
	say(t, stalled, "hello")
	hear(t, stalled, "hel")
	hearNothing(t, stalled)
	if n := read.Load(); n != 5 {
		t.Fatalf("the server heard %d bytes, want all that was said before", n)
	}
	say(t, stalled, "anybody there?")
	hearNothing(t, stalled)
	if n := read.Load(); n != 5 {
		t.Errorf("the server heard %d bytes, want none of what was said after", n)
	}
	text := strings.Repeat("x", 100_000) // More than is passed on at once.
	fresh := dial(t, p)
	say(t, fresh, text)
	hear(t, fresh, text)
}
