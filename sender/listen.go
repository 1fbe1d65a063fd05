package sender

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"plausible-webhooks/config/outage"
)

// dueChannel is where the database tells of deliveries that were inserted
// (config/schema/migrations/005_wake.sql). The payload is the webhook's id, or
// empty: of many.
const dueChannel = "plausible_webhooks_due"

// listenInterval is how soon listening is tried again; polling does meanwhile.
const listenInterval = time.Second

// keepListening listens until stop ends. A connection that breaks is no news
// while the next one works, or while the database is away.
func (s *Sender) keepListening(stop context.Context) {
	var deaf outage.Outage
	failures := 0
	for {
		began := time.Now()
		err := s.listen(stop, func() {
			failures = 0
			if _, news := deaf.End(); news {
				s.log.Info("listening for deliveries works again")
			}
		})
		if err != nil {
			failures++
		}
		if err != nil && failures > 1 && stop.Err() == nil && s.Trouble() == nil && deaf.Begin(began, err) {
			s.log.Warn("the queue is looked at every half second until listening works again", "error", err)
		}
		select {
		case <-time.After(listenInterval):
		case <-stop.Done():
			return
		}
	}
}

// listen has the queue looked at for whatever anybody inserts, until the
// connection breaks. It takes one of its own: those of the pool are for
// statements that end.
func (s *Sender) listen(ctx context.Context, works func()) error {
	pooled, err := s.options.DB.Acquire(ctx)
	if err != nil {
		return nil // The claim loop says that the database is away.
	}
	conn := pooled.Hijack()
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "listen "+dueChannel); err != nil {
		return fmt.Errorf("listen for deliveries that others insert: %w", err)
	}
	works()
	s.Wake() // For what came before.
	for {
		notice, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("listen for deliveries that others insert: %w", err)
		}
		if webhook, err := strconv.ParseInt(notice.Payload, 10, 64); err == nil {
			s.noticed.add(webhook)
		} else {
			s.Wake()
		}
	}
}

// maxNoticed bounds the webhooks that are looked at one by one.
const maxNoticed = webhooksPerLook

// noticed are webhooks for which somebody has inserted something since they
// were last looked at.
type noticed struct {
	some chan struct{} // Holds one value while there are any.

	mu       sync.Mutex
	webhooks map[int64]struct{}
	overflow func() // Has all webhooks looked at instead.
}

func newNoticed(overflow func()) *noticed {
	return &noticed{some: make(chan struct{}, 1), webhooks: make(map[int64]struct{}), overflow: overflow}
}

func (n *noticed) add(webhook int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.webhooks) >= maxNoticed {
		n.overflow()
		return
	}
	n.webhooks[webhook] = struct{}{}
	signal(n.some)
}

// take returns them and forgets them.
func (n *noticed) take() []int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	webhooks := make([]int64, 0, len(n.webhooks))
	for w := range n.webhooks {
		webhooks = append(webhooks, w)
	}
	clear(n.webhooks)
	return webhooks
}
