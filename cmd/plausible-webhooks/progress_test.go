package main

import (
	"bytes"
	"testing"
	"time"
)

func TestProgressIsShownOfLongWorkAndTakenAway(t *testing.T) {
	var out bytes.Buffer
	now := chartStart
	bar := &progress{out: &out, what: "Reading", began: now, now: func() time.Time { return now }, ascii: true}
	bar.tell(1, 4)
	bar.clear()
	if out.Len() != 0 {
		t.Errorf("%q within the first moments; want nothing", out.String())
	}
	now = now.Add(2 * time.Second)
	bar.tell(2, 4)
	bar.clear()
	want := "\rReading ###############...............  50%\r" + "                                           \r"
	if out.String() != want {
		t.Errorf("%q; want %q", out.String(), want)
	}
	(&progress{began: chartStart, now: func() time.Time { return now }}).tell(1, 2) // Nobody watches.
}
