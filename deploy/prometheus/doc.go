// Package prometheus holds the alert rules of plausible-webhooks and checks
// them, and the dashboard in deploy/grafana, with Prometheus' own parser. It is a
// module of its own: only it needs Prometheus.
package prometheus
