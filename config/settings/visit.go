package settings

import (
	"html/template"
	"net/url"
	"time"
)

// Site is a site as PostgreSQL has it at the moment of the request.
type Site struct {
	ID       int64
	Domain   string
	Timezone string // IANA name; times on pages are in it.
}

// Visit is one request that Plausible has allowed.
type Visit struct {
	Site Site
	// Base is the path of the overview, as Plausible writes it:
	// "/" + the domain form-encoded + "/settings/webhooks".
	Base string
	// Rest are the decoded segments of the path after Base; none: the overview.
	Rest []string
	// Query is that of the address; Form is nil but for POST.
	Query, Form url.Values
}

// Page is what a visit comes to.
type Page struct {
	Status int    // HTTP; zero: 200.
	Title  string // "Webhooks", for the title of the document.
	Body   template.HTML
	// GoTo answers a POST that has done its work: a path under Base, 303.
	GoTo string
	// Refresh asks the browser to load the page again after so long, with the
	// header of that name; zero: never. Whole seconds.
	Refresh time.Duration
}
