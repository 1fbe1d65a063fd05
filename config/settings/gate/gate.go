package gate

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// Bounds of one question.
const (
	// MaxAnswer is how many bytes of an answer are read, after decompression.
	MaxAnswer = 4 << 20
	// Patience is for everything: two looks into PostgreSQL and the answer.
	Patience = 5 * time.Second
)

// Options of New.
type Options struct {
	DB        Database
	Plausible url.URL // WEBHOOKS_PLAUSIBLE_URL.
	Base      url.URL // BASE_URL.
	// Patience is Patience where it is zero.
	Patience time.Duration
}

// Gate asks. It is safe for concurrent use.
type Gate struct {
	db        Database
	plausible url.URL
	base      url.URL
	patience  time.Duration
	client    http.Client
}

// New makes a gate without connecting anywhere.
func New(options Options) *Gate {
	g := &Gate{db: options.DB, plausible: options.Plausible, base: options.Base, patience: options.Patience}
	if g.patience == 0 {
		g.patience = Patience
	}
	g.client = http.Client{
		Transport: &http.Transport{
			Proxy:                 nil, // What WEBHOOKS_PLAUSIBLE_URL names is on our own network.
			MaxIdleConnsPerHost:   8,
			IdleConnTimeout:       90 * time.Second,
			ResponseHeaderTimeout: g.patience,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return g
}

// Close lets go of idle connections.
func (g *Gate) Close() { g.client.CloseIdleConnections() }

// Verdict is what Plausible says to one request.
type Verdict struct {
	// Allowed tells that whoever asks may see and change the settings of Site
	// at this moment. Answer is then the page of Plausible around ours.
	Allowed bool
	Site    Site // Zero unless allowed.
	// Answer is Plausible's own; where not allowed it is to be handed on.
	Answer Answer
	// Waited is the time that Plausible took.
	Waited time.Duration
}

// Ask asks Plausible whether the sender of r may see the settings of a domain.
// Page is the path to come back to after signing in. An error is a *Trouble:
// nothing was decided, so nothing may be shown.
func (g *Gate) Ask(ctx context.Context, r *http.Request, domain, page string) (Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, g.patience)
	defer cancel()
	before, err := g.site(ctx, domain)
	if err != nil {
		return Verdict{}, databaseAway(err)
	}
	asked := time.Now()
	answer, err := g.ask(ctx, r, domain)
	verdict := Verdict{Answer: answer, Waited: time.Since(asked)}
	if err != nil {
		return verdict, err
	}
	switch {
	case answer.Location != "":
		verdict.Answer.Location, err = g.wayBack(answer.Location, domain, page)
		return verdict, err
	case answer.Status == http.StatusNotFound:
		return verdict, nil
	case answer.Status != http.StatusOK || !isHTML(answer.ContentType):
		return verdict, strange(answer)
	case !provesSettings(answer.Body, domain):
		return verdict, notThePage()
	case before.ID == 0:
		return verdict, noSuchSite()
	}
	after, err := g.site(ctx, domain)
	if err != nil {
		return verdict, databaseAway(err)
	}
	if after.ID != before.ID {
		return verdict, changedHands()
	}
	verdict.Allowed, verdict.Site = true, after
	return verdict, nil
}

func isHTML(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "text/html"
}
