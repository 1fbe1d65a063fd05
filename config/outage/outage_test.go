package outage

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestOutageIsToldTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x Outage
		if _, news := x.End(); news {
			t.Error("the end of nothing is news")
		}
		if _, present := x.Present(); present {
			t.Error("there is trouble before there was any")
		}
		first := time.Now()
		if !x.Begin(first, errors.New("connection refused")) {
			t.Error("the beginning is no news")
		}
		time.Sleep(time.Minute)
		if x.Begin(time.Now(), errors.New("starting up")) {
			t.Error("the same trouble is news again because its words changed")
		}
		if p, ok := x.Present(); !ok || !p.Since.Equal(first) || p.Reason != "starting up" {
			t.Errorf("present: %+v, %v; want the newest reason since %v", p, ok, first)
		}
		asked := time.Now()
		time.Sleep(time.Second)
		if lasted, news := x.End(); !news || lasted != time.Minute+time.Second {
			t.Errorf("end: %v, %v; want news of 1m1s", lasted, news)
		}
		if _, news := x.End(); news {
			t.Error("the end is news twice")
		}
		if x.Begin(asked, errors.New("broken pipe")) {
			t.Error("a late answer to what was asked during the trouble begins another")
		}
		if _, present := x.Present(); present {
			t.Error("a late answer is trouble")
		}
		if !x.Begin(time.Now(), errors.New("broken pipe")) {
			t.Error("new trouble is no news")
		}
	})
}

func TestAway(t *testing.T) {
	for code, want := range map[string]bool{
		"": true, "08006": true, "53300": true, "57P03": true, "57P01": true, "57014": false, "42501": false, "42P01": false, "23505": false,
	} {
		err := errors.New("connect: connection refused")
		if code != "" {
			err = fmt.Errorf("claim deliveries: %w", &pgconn.PgError{Code: code})
		}
		if got := Away(err); got != want {
			t.Errorf("Away(code %q) = %v, want %v", code, got, want)
		}
	}
}
