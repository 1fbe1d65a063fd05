package cdc

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
)

// A site went to another team while nobody followed: no view, not even for a
// moment, has its webhooks enabled.
func TestTransferOfBeforeTheFirstViewIsInIt(t *testing.T) {
	w := newWorld(t, stack.V32)
	var teams [2]int64
	for i := range teams {
		var err error
		if teams[i], err = stack.AddTeam(t.Context(), w.db, stack.Team{}); err != nil {
			t.Fatal(err)
		}
	}
	site, err := stack.AddSite(t.Context(), w.db, stack.Site{Domain: "a.example", TeamID: teams[0]})
	if err != nil {
		t.Fatal(err)
	}
	hook := w.webhook(site)
	w.custody(noon)
	w.exec("update sites set team_id = $1 where id = $2", teams[1], site)

	connect, err := pgx.ParseConfig(w.url)
	if err != nil {
		t.Fatal(err)
	}
	f := New(Options{Connect: connect, Source: SourcePoll, PollInterval: time.Hour, Log: hclog.NewNullLogger()})
	kept := make(chan *config.View, 100) // The view at the end of each custody.
	f.hooks.custody = func(error) {
		select {
		case kept <- f.View():
		default:
		}
	}
	viewed, stop := f.Subscribe()
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = f.Run(ctx) }) // Nil, once it is cancelled.
	defer done.Wait()
	defer cancel()
	if first := <-kept; first != nil {
		t.Error("there was a view before webhooks were brought in step with their sites")
	}
	<-viewed
	if h, ok := f.View().Webhook(hook); !ok || !h.Disabled() || h.DisabledReason != "transferred" {
		t.Errorf("the first view has the webhook as %+v; want it disabled", h)
	}
}
