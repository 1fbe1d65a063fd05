package prometheus

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// metric is one line of metrics.txt, which a test of the program keeps equal to
// what it exposes.
type metric struct {
	kind   string
	labels map[string][]string // By name, the values that there are.
}

type metrics map[string]metric

func exposed(t *testing.T) metrics {
	t.Helper()
	text, err := os.ReadFile("metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	found := metrics{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		m := metric{kind: words[1], labels: map[string][]string{}}
		for _, word := range words[2:] {
			name, values, _ := strings.Cut(word, "=")
			m.labels[name] = strings.Split(values, "|")
		}
		found[words[0]] = m
	}
	return found
}

// Labels that Prometheus itself gives to whatever it scrapes.
var scraped = []string{"instance", "job"}

// find returns the metric that a series belongs to: a histogram has several.
func (m metrics) find(series string) (metric, bool) {
	if found, ok := m[series]; ok {
		return found, found.kind != "histogram" // Its own name has no series.
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if found, ok := m[strings.TrimSuffix(series, part)]; ok && strings.HasSuffix(series, part) && found.kind == "histogram" {
			labels := map[string][]string{}
			for name, values := range found.labels {
				labels[name] = values
			}
			if part == "_bucket" {
				labels["le"] = []string{"*"}
			}
			return metric{"counter", labels}, true
		}
	}
	return metric{}, false
}

// check returns what an expression asks for that there is not.
func (m metrics) check(text string) (problems []string) {
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return []string{fmt.Sprintf("%v in %s", err, text)}
	}
	known := map[string]bool{} // Labels of any metric in the expression.
	var used []string
	complain := func(format string, arguments ...any) { problems = append(problems, fmt.Sprintf(format, arguments...)) }
	parser.Inspect(expression, func(node parser.Node, path []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			found, ok := m.find(n.Name)
			if !ok {
				complain("there is no metric %s", n.Name)
				return nil
			}
			for name := range found.labels {
				known[name] = true
			}
			for _, matcher := range n.LabelMatchers {
				m.checkMatcher(n.Name, found, matcher, complain)
			}
			rated := len(path) > 1 && isRate(path[len(path)-2])
			if counts := found.kind == "counter"; counts != rated {
				complain("%s is a %s, and rate or increase: %v", n.Name, found.kind, rated)
			}
		case *parser.AggregateExpr:
			used = append(used, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				used = append(append(used, n.VectorMatching.MatchingLabels...), n.VectorMatching.Include...)
			}
		}
		return nil
	})
	for _, name := range used {
		if !known[name] && !slices.Contains(scraped, name) {
			complain("no metric in %s has the label %s", text, name)
		}
	}
	return problems
}

func (m metrics) checkMatcher(name string, of metric, matcher *labels.Matcher, complain func(string, ...any)) {
	if matcher.Name == labels.MetricName || slices.Contains(scraped, matcher.Name) {
		return
	}
	values, ok := of.labels[matcher.Name]
	switch {
	case !ok:
		complain("%s has no label %s", name, matcher.Name)
	case !slices.ContainsFunc(values, matcher.Matches):
		complain("%s matches nothing of %s", matcher, name)
	case matcher.Type == labels.MatchNotEqual && !slices.Contains(values, matcher.Value):
		complain("%s leaves out nothing of %s", matcher, name)
	}
	// Each alternative of a list must be there.
	if matcher.Type == labels.MatchRegexp || matcher.Type == labels.MatchNotRegexp {
		for _, alternative := range strings.Split(matcher.Value, "|") {
			if !slices.Contains(values, alternative) {
				complain("%s has no %s %q", name, matcher.Name, alternative)
			}
		}
	}
}

// isRate reports whether a node takes what a counter has gained.
func isRate(node parser.Node) bool {
	call, ok := node.(*parser.Call)
	return ok && slices.Contains([]string{"rate", "increase", "irate"}, call.Func.Name)
}

// The check finds what is not there, or it would prove nothing.
func TestCheckFindsWhatIsNotThere(t *testing.T) {
	m := exposed(t)
	for _, good := range []string{
		`sum by (outcome) (rate(plausible_webhooks_attempts_total{outcome!="delivered",instance="a"}[5m]))`,
		`histogram_quantile(0.9, sum by (le) (rate(plausible_webhooks_attempt_duration_seconds_bucket[5m])))`,
	} {
		if problems := m.check(good); len(problems) > 0 {
			t.Errorf("%s: %v", good, problems)
		}
	}
	for _, bad := range []string{
		`plausible_webhooks_readyy`, `sum(`, `plausible_webhooks_ready{site="a"}`, `rate(plausible_webhooks_ready[5m])`,
		`plausible_webhooks_attempts_total`, `sum by (host) (plausible_webhooks_ready)`, `plausible_webhooks_attempt_duration_seconds`,
		`rate(plausible_webhooks_attempts_total{outcome="teapot"}[5m])`, `rate(plausible_webhooks_attempts_total{outcome!="teapot"}[5m])`,
		`rate(plausible_webhooks_attempts_total{outcome=~"delivered|teapot"}[5m])`,
	} {
		if len(m.check(bad)) == 0 {
			t.Errorf("nothing is found to be wrong with %s", bad)
		}
	}
}
