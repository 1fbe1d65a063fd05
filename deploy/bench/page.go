package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/sidecar"
)

// What is promised of the Webhooks page: 95 of a hundred answers take less of
// our own time, with so much in the database. Plausible's answer about the
// visitor comes on top, and is shown beside it.
const (
	pagePromised   = 50 * time.Millisecond
	pageDeliveries = 1_000_000
	pageRequests   = 100 // For each page.
)

type pageOptions struct{ deliveries, requests int }

// measuredPage is a page with how long its answers took.
type measuredPage struct {
	name, path string
	own, gate  []time.Duration // Sorted.
}

// benchPage asks for every page of the site that has the most, as a browser does
// that has signed in, and fails if one of them is slower than promised.
func benchPage(ctx context.Context, args []string) (err error) {
	var o pageOptions
	flags := flag.NewFlagSet("page", flag.ContinueOnError)
	flags.IntVar(&o.deliveries, "deliveries", pageDeliveries, "`deliveries` in the log; promises are made for the default")
	flags.IntVar(&o.requests, "requests", pageRequests, "`requests` of each page")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if flags.NArg() > 0 || o.deliveries < pageHooks || o.requests < 1 {
		return fmt.Errorf("want flags only, at least %d deliveries and a request", pageHooks)
	}
	bed, err := newPageBed(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bed.close()) }()
	pages := bed.pages()
	if err := bed.measure(ctx, pages); err != nil {
		return err
	}
	return printPages(pages, o)
}

// measure asks for all pages in turn, so that what else the machine does meets
// none more than the others.
func (b *pageBed) measure(ctx context.Context, pages []measuredPage) error {
	for round := range b.options.requests + 1 {
		for i := range pages {
			p := &pages[i]
			own, gate, err := b.ask(ctx, p.path)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if round > 0 { // Whoever comes first warms the caches.
				p.own, p.gate = append(p.own, own), append(p.gate, gate)
			}
		}
	}
	for _, p := range pages {
		slices.Sort(p.own)
		slices.Sort(p.gate)
	}
	return nil
}

var timing = regexp.MustCompile(`plausible;dur=([0-9.]+), own;dur=([0-9.]+)`)

// ask gets a page and what the sidecar tells of its time.
func (b *pageBed) ask(ctx context.Context, path string) (own, gate time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.process.Pages+"/"+pageSite+"/settings/webhooks"+path, nil)
	if err != nil {
		return 0, 0, err
	}
	for _, cookie := range b.cookies {
		req.AddCookie(cookie)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, 0, err
	}
	said := timing.FindStringSubmatch(resp.Header.Get("Server-Timing"))
	if said == nil || resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("answered %s without a page:\n%.500s", resp.Status, body)
	}
	return milliseconds(said[2]), milliseconds(said[1]), nil
}

func milliseconds(text string) time.Duration {
	ms, _ := strconv.ParseFloat(text, 64) // Digits and a point, as the expression has it.
	return time.Duration(ms * float64(time.Millisecond))
}

// signIn has the cookies of the site's owner.
func (b *pageBed) signIn(ctx context.Context) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"email": {plausible.DemoEmail}, "password": {plausible.DemoPassword}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.web.URL()+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	_ = resp.Body.Close()
	if b.cookies = jar.Cookies(req.URL); len(b.cookies) == 0 {
		return fmt.Errorf("sign in: Plausible answered %s without a cookie", resp.Status)
	}
	return nil
}

// startProgram starts the sidecar with the page, as an installation has it.
func (b *pageBed) startProgram(ctx context.Context, database, events string) error {
	binary, err := sidecar.Build(ctx, b.dir)
	if err != nil {
		return err
	}
	b.process, err = startReady(ctx, binary, environment(database, events, "BASE_URL="+b.web.URL(), "WEBHOOKS_PLAUSIBLE_URL="+b.web.URL()), filepath.Join(b.dir, "page.log"))
	return err
}

// printPages shows the pages, the slowest first.
func printPages(pages []measuredPage, o pageOptions) error {
	slices.SortFunc(pages, func(a, b measuredPage) int {
		return int(quantile(b.own, 0.95) - quantile(a.own, 0.95))
	})
	fmt.Printf("\nThe Webhooks page with %s webhooks on the instance and %s deliveries in the log, all of them of one site;\n%s answers of each page (the built program)\n\n",
		grouped(pageHooks), grouped(o.deliveries), grouped(o.requests))
	var broken []error
	for i, page := range pages {
		p95 := quantile(page.own, 0.95)
		p := promise{
			what:  fmt.Sprintf("%s: own time, p50 / p95", page.name),
			value: spell(quantile(page.own, 0.5)) + " / " + spell(p95), wanted: "p95 < " + spell(pagePromised), broken: p95 >= pagePromised,
		}
		p.print()
		if p.broken {
			broken = append(broken, fmt.Errorf("%s: 95%% of answers took up to %s of our own time, promised is less than %s", page.name, spell(p95), spell(pagePromised)))
		}
		if i == len(pages)-1 {
			promise{what: "Plausible's answer about the visitor beside it, p95", value: spell(quantile(page.gate, 0.95))}.print()
		}
	}
	fmt.Printf("\n  the slowest page is %q\n\n", pages[0].name)
	return errors.Join(broken...)
}
