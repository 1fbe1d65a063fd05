package sender

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestChoresBeginWhenTheyMay(t *testing.T) {
	for _, test := range []struct {
		name  string
		after time.Duration
		until time.Duration // When ctx ends.
		want  []time.Duration
	}{
		{"at once", 0, 150 * time.Second, []time.Duration{0, time.Minute, 2 * time.Minute}},
		{"after a while", 5 * time.Second, 150 * time.Second, []time.Duration{5 * time.Second, 65 * time.Second, 125 * time.Second}},
		{"not at all", 5 * time.Second, 4 * time.Second, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Sender{log: hclog.NewNullLogger()}
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), test.until)
				defer cancel()
				var got []time.Duration
				s.again(ctx, nil, &chore{name: "x", every: time.Minute, after: test.after}, func(context.Context) error {
					got = append(got, time.Since(began))
					return errors.New("failed") // The next time may do.
				})
				if !slices.Equal(got, test.want) {
					t.Errorf("it was done after %v, want %v", got, test.want)
				}
				if took := time.Since(began); took != test.until {
					t.Errorf("it went on for %s, want %s", took, test.until)
				}
			})
		})
	}
}

func TestNoChoreBeginsOnceTheSenderIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Sender{log: hclog.NewNullLogger()}
		finished := make(chan struct{})
		close(finished)
		s.again(t.Context(), finished, &chore{name: "x", every: time.Minute, after: time.Second}, func(context.Context) error {
			t.Error("it was done")
			return nil
		})
	})
}
