package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// sendParts are what can be measured of sending, in the order in which it is.
var sendParts = []struct {
	name, what string
	measure    func(context.Context, *sendBed) ([]promise, error)
}{
	{"rate", "Deliveries per second beside a bare net/http loop: as many at once, same receiver, body and signatures (in process)", measureRate},
	{"single", "One delivery at a time, from the return of its commit to the receiver (in process)", measureSingle},
	{"slow", "A healthy webhook beside slow and hanging ones, one delivery at a time (in process)", measureSlow},
	{"failing", "A webhook that fails every delivery but the good ones (in process)", measureFailing},
	{"backlog", "A backlog of a million (the built program)", measureBacklog},
	{"fanout", "10,000 webhooks, one delivery each, from the row in ClickHouse on; some fail, some are slow (the built program)", measureFanout},
}

// sendOptions say what is measured.
type sendOptions struct {
	only       []string
	cpuProfile string
	deliveries int // Of the rate.
	backlog    int
}

func parseSend(args []string) (o sendOptions, err error) {
	var names []string
	for _, part := range sendParts {
		names = append(names, part.name)
	}
	flags := flag.NewFlagSet("send", flag.ContinueOnError)
	only := flags.String("only", strings.Join(names, ","), "`parts` to measure")
	flags.StringVar(&o.cpuProfile, "cpuprofile", "", "`file` for a CPU profile of the rate to one webhook")
	flags.IntVar(&o.deliveries, "deliveries", rateDeliveries, "`deliveries` of each rate; promises are made for the default")
	flags.IntVar(&o.backlog, "backlog", backlogDeliveries, "`deliveries` of the backlog; promises are made for the default")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	for name := range strings.SplitSeq(*only, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(names, name) {
			return o, fmt.Errorf("%q is no part, there are %s", name, strings.Join(names, ", "))
		}
		o.only = append(o.only, name)
	}
	if o.deliveries < 1 || o.backlog < 1 {
		return o, errors.New("there must be deliveries to send")
	}
	return o, nil
}

// benchSend measures sending part by part, and prints each part when it is
// done. Its error names every promise that was not kept.
func benchSend(ctx context.Context, args []string) (err error) {
	o, err := parseSend(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	bed, err := newSendBed(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bed.close()) }()
	var broken []error
	for _, part := range sendParts {
		if !slices.Contains(o.only, part.name) {
			continue
		}
		began := time.Now()
		bed.part = part.name
		promises, err := part.measure(ctx, bed)
		if err != nil {
			// What was measured before is worth knowing.
			return errors.Join(fmt.Errorf("%s: %w", part.name, err), errors.Join(broken...))
		}
		fmt.Printf("\n%s; took %s\n\n", part.what, spell(time.Since(began)))
		broken = append(broken, printed(part.name, promises)...)
	}
	fmt.Println()
	return errors.Join(broken...)
}

// promise is a figure and what was promised of it; nothing, of one that only
// explains others.
type promise struct {
	what, value string
	wanted      string
	broken      bool
}

func (p promise) print() {
	verdict := ""
	switch {
	case p.broken:
		verdict = "MISSED"
	case p.wanted != "":
		verdict = "kept"
	}
	fmt.Println(strings.TrimRight(fmt.Sprintf("  %-58s %22s   %-14s %s", p.what, p.value, p.wanted, verdict), " "))
}

// printed prints a part's figures, and has a sentence for each promise that was
// not kept.
func printed(part string, list []promise) (broken []error) {
	for _, p := range list {
		p.print()
		if p.broken {
			broken = append(broken, fmt.Errorf("%s: %s is %s, promised is %s", part, p.what, p.value, p.wanted))
		}
	}
	return broken
}

// tell shows progress, apart from the figures.
func (b *sendBed) tell(format string, values ...any) {
	fmt.Fprintf(os.Stderr, b.part+": "+format+"\n", values...)
}
