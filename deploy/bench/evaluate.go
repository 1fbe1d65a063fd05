package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// evaluateOptions say what is measured.
type evaluateOptions struct {
	minutes float64 // Of the small installation; zero leaves it out.
	sites   []int   // Of grown ones; none leaves them out.
	ticks   int
	away    time.Duration // How long nobody had evaluated when the first tick comes.
	scale   float64
	queries bool
}

func (o evaluateOptions) during() time.Duration {
	return time.Duration(o.minutes * float64(time.Minute))
}

func parseEvaluate(args []string) (o evaluateOptions, err error) {
	flags := flag.NewFlagSet("evaluate", flag.ContinueOnError)
	flags.Float64Var(&o.minutes, "minutes", 10, "real `minutes` of the small installation; 0 leaves it out")
	sites := flags.String("sites", "1000,10000,100000", "`sizes` of grown installations; empty leaves them out")
	flags.IntVar(&o.ticks, "ticks", 720, "`ticks` of the live hour, 5 s of events each")
	flags.DurationVar(&o.away, "away", 10*time.Minute, "how long evaluation had stood still at the first tick; up to 24h are caught up")
	flags.Float64Var(&o.scale, "scale", 1, "`factor` on all numbers of rows, to try the benchmark; promises hold for 1 only")
	flags.BoolVar(&o.queries, "queries", false, "print which queries take ClickHouse's time")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	if o.sites, err = parseSites(*sites); err != nil {
		return o, err
	}
	if o.minutes < 0 || o.away < 0 || o.ticks < 1 || o.scale <= 0 {
		return o, errors.New("minutes and away must not be negative, ticks and scale must be positive")
	}
	return o, nil
}

// parseSites reads sizes with commas between them.
func parseSites(list string) (sites []int, err error) {
	for field := range strings.SplitSeq(list, ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 || n >= siteStride {
			return nil, fmt.Errorf("%q is no number of sites", field)
		}
		sites = append(sites, n)
	}
	return sites, nil
}

// benchEvaluate measures what evaluation costs: of a small installation with
// the built program in real time, of grown ones with real ticks at simulated
// times, and of the same questions asked site by site.
func benchEvaluate(ctx context.Context, args []string) error {
	o, err := parseEvaluate(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	var broken []error
	if o.minutes > 0 {
		s, err := measureSmall(ctx, o)
		if err != nil {
			return err
		}
		s.print(o)
		broken = append(broken, s.broken()...)
	}
	var sizes []*grown
	for _, sites := range o.sites {
		g, err := measureGrown(ctx, sites, o)
		if err != nil {
			// What was measured before is worth seeing.
			printGrown(sizes, o)
			return errors.Join(err, errors.Join(broken...))
		}
		sizes = append(sizes, g)
		broken = append(broken, g.broken()...)
	}
	printGrown(sizes, o)
	if o.scale != 1 {
		fmt.Fprintf(os.Stderr, "\nnumbers of rows are scaled by %g: nothing is promised of that\n", o.scale)
		return nil
	}
	return errors.Join(broken...)
}
