package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTableAlignsCharactersAndCannotBeBroken(t *testing.T) {
	var out bytes.Buffer
	table(&out, [][]string{{"ID", "NAME", "STATE"}, {"1", "Zoë ☎", "enabled"}, {"12", "a\x1b[2Jb\nc\u202e", "paused"}})
	want := "ID  NAME       STATE\n" +
		"1   Zoë ☎      enabled\n" +
		"12  a\ufffd[2Jb\ufffdc\ufffd  paused\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestDistancesOfTime(t *testing.T) {
	tests := map[time.Duration]string{
		0:                   "0 seconds ago",
		time.Second:         "1 second ago",
		59 * time.Second:    "59 seconds ago",
		90 * time.Second:    "1 minute ago",
		47 * time.Hour:      "47 hours ago",
		49 * time.Hour:      "2 days ago",
		-90 * time.Minute:   "in 1 hour",
		-3 * 24 * time.Hour: "in 3 days",
	}
	for d, want := range tests {
		if got := ago(d); got != want {
			t.Errorf("ago(%v) = %q; want %q", d, got, want)
		}
	}
}
