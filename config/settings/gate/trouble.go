package gate

import (
	"fmt"
	"net/http"
	"net/url"
)

// Trouble says why nothing was decided, in words for the person who asked.
type Trouble struct {
	Status int
	Title  string // A heading.
	Text   string // What happened and what to do, in sentences.
	Err    error  // For the log; nil where the words say it all. Holds no cookie and no path.
}

func (t *Trouble) Error() string {
	if t.Err != nil {
		return t.Title + ": " + t.Err.Error()
	}
	return t.Title
}

func (t *Trouble) Unwrap() error { return t.Err }

// OfDatabase reports whether PostgreSQL is the reason; otherwise it is Plausible.
func (t *Trouble) OfDatabase() bool { return t.Title == titleDatabase }

const titleDatabase = "The database cannot be reached"

func databaseAway(err error) error {
	return &Trouble{http.StatusServiceUnavailable, titleDatabase,
		"Plausible's PostgreSQL does not answer at the moment. Try again shortly.", err}
}

func unreachable(err error) error {
	return &Trouble{http.StatusServiceUnavailable, "Plausible cannot be reached",
		"Whether you may see this page is for Plausible to say, and it does not answer at the moment. Try again shortly. " +
			"If it stays so, whoever runs this Plausible should check WEBHOOKS_PLAUSIBLE_URL.", err}
}

func tooLong() error {
	return &Trouble{http.StatusBadGateway, "Plausible's answer is too long",
		fmt.Sprintf("Whether you may see this page is for Plausible to say, and its answer has more than %d MiB. "+
			"Whoever runs this Plausible should check what answers at WEBHOOKS_PLAUSIBLE_URL.", MaxAnswer>>20), nil}
}

func strange(answer Answer) error {
	status := http.StatusBadGateway
	if answer.Status >= 500 || answer.Status == http.StatusTooManyRequests {
		status = http.StatusServiceUnavailable
	}
	return &Trouble{status, "Plausible did not say whether you may see this page",
		fmt.Sprintf("It answered with status %d. Try again shortly. If it stays so, whoever runs this Plausible should look at its log and check WEBHOOKS_PLAUSIBLE_URL.", answer.Status),
		fmt.Errorf("status %d, type %q", answer.Status, answer.ContentType)}
}

func notThePage() error {
	return &Trouble{http.StatusBadGateway, "This version of Plausible is not recognised",
		"Plausible answered, but not with the email reports page of this site's settings, so nobody can be let in. " +
			"Whoever runs this Plausible should check WEBHOOKS_PLAUSIBLE_URL, and whether this version of plausible-webhooks supports this version of Plausible.",
		fmt.Errorf("the answer to email-reports is another page")}
}

func noSuchSite() error {
	return &Trouble{http.StatusNotFound, "There are no webhooks here",
		"This is not a site of its own, or it was added or renamed a moment ago.", nil}
}

func changedHands() error {
	return &Trouble{http.StatusConflict, "This site has changed just now",
		"It was renamed or deleted while the page was loading. Open it again from your list of sites.", nil}
}

func circular(target, base *url.URL) error {
	return &Trouble{http.StatusBadGateway, "Plausible redirects in circles",
		fmt.Sprintf("Asked for a page of this site's settings, Plausible redirects to that same page at %s://%s. "+
			"Whoever runs this Plausible should check that BASE_URL (here %s://%s) is the same for Plausible and plausible-webhooks, "+
			"and that WEBHOOKS_PLAUSIBLE_URL leads to Plausible itself: its HTTP_PORT, not a proxy or a port that insists on https.",
			target.Scheme, target.Host, base.Scheme, base.Host),
		fmt.Errorf("redirected to the same path at %s://%s", target.Scheme, target.Host)}
}

func leadsAway(host string) error {
	where := "an address that is none"
	if host != "" {
		where = host
	}
	return &Trouble{http.StatusBadGateway, "Plausible redirects to another address",
		fmt.Sprintf("Asked for a page of this site's settings, Plausible redirects to %s. "+
			"Whoever runs this Plausible should check that BASE_URL is the same for Plausible and plausible-webhooks, and WEBHOOKS_PLAUSIBLE_URL.", where),
		fmt.Errorf("redirected to %s", where)}
}
