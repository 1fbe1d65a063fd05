package main

import (
	"context"
	"sync"
	"time"

	"plausible-webhooks/sender"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// depthEvery is how long an answer about the queue is good enough: several
	// who ask, or one who asks all the time, cost no more than one.
	depthEvery = 15 * time.Second
	// depthLimit bounds the wait for it: while PostgreSQL is away there are
	// metrics all the same, but for these.
	depthLimit = time.Second
)

// queueMetrics ask how much is pending when somebody wants to know, and not
// otherwise.
type queueMetrics struct {
	read func(context.Context) (sender.Depth, error)

	mu    sync.Mutex // Guards what follows, and lets only one ask.
	asked time.Time
	depth sender.Depth
	err   error
}

var (
	queueDeliveries = prometheus.NewDesc(namespace+"_queue_deliveries",
		"Pending deliveries by state; of a sample where queue_more is 1. Missing while PostgreSQL is away.", []string{"state"}, nil)
	queueMore = prometheus.NewDesc(namespace+"_queue_more",
		"1 while more is pending than is counted.", nil, nil)
	queueOldest = prometheus.NewDesc(namespace+"_queue_oldest_due_seconds",
		"For how long the delivery that waits longest has been due; 0 where nothing is.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*queueMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- queueDeliveries
	descriptions <- queueMore
	descriptions <- queueOldest
}

// Collect implements prometheus.Collector.
func (q *queueMetrics) Collect(metrics chan<- prometheus.Metric) {
	depth, err := q.present()
	if err != nil {
		return // The log and /readyz tell why.
	}
	for state, n := range map[string]int{"due": depth.Due, "claimed": depth.Claimed, "later": depth.Later, "paused": depth.Paused} {
		metrics <- prometheus.MustNewConstMetric(queueDeliveries, prometheus.GaugeValue, float64(n), state)
	}
	metrics <- prometheus.MustNewConstMetric(queueMore, prometheus.GaugeValue, number(depth.More))
	metrics <- prometheus.MustNewConstMetric(queueOldest, prometheus.GaugeValue, max(depth.OldestDue.Seconds(), 0))
}

func (q *queueMetrics) present() (sender.Depth, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.asked.IsZero() || q.err != nil || time.Since(q.asked) >= depthEvery {
		ctx, cancel := context.WithTimeout(context.Background(), depthLimit)
		defer cancel()
		q.depth, q.err = q.read(ctx)
		q.asked = time.Now()
	}
	return q.depth, q.err
}
