package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/settings/shell"
)

// handOn gives Plausible's own answer to somebody who has not been let in.
func (v *visitor) handOn() {
	answer := v.verdict.Answer
	v.passCookies()
	v.protect("frame-ancestors 'none'")
	if answer.Location != "" {
		v.w.Header().Set("Location", answer.Location)
		status := http.StatusFound
		if v.r.Method == http.MethodPost {
			status = http.StatusSeeOther // What was sent is not sent again to where one signs in.
		}
		v.write(status, nil)
		return
	}
	if answer.ContentType != "" {
		v.w.Header().Set("Content-Type", answer.ContentType)
	}
	v.write(answer.Status, answer.Body)
}

// show puts a page into Plausible's layout.
func (v *visitor) show(page settings.Page) {
	v.passCookies()
	if page.Refresh > 0 {
		v.w.Header().Set("Refresh", strconv.Itoa(int(page.Refresh.Seconds())))
	}
	v.document(page.Status, shell.Around(v.verdict.Answer.Body, shell.Contents{
		Domain: v.verdict.Site.Domain, Title: page.Title, Body: page.Body,
		Styles: v.assets.Styles(v.at.base), Scripts: v.assets.Scripts(v.at.base),
	}))
}

// plain shows one thing to somebody who has not been let in; it says nothing
// about the site, not even that there is one.
func (v *visitor) plain(status int, heading string, paragraphs ...string) {
	v.document(status, shell.Plain(shell.Contents{
		Title: heading, Body: shell.Notice{Heading: heading, Paragraphs: paragraphs}.Body(),
		Styles: v.assets.Styles(v.at.base), Scripts: v.assets.Scripts(v.at.base),
	}, false))
}

func (v *visitor) document(status int, document shell.Document) {
	if status == 0 {
		status = http.StatusOK
	}
	v.protect(document.Policy)
	header := v.w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	if v.verdict.Allowed {
		header.Set("Server-Timing", fmt.Sprintf("plausible;dur=%s, own;dur=%s", milliseconds(v.verdict.Waited), milliseconds(v.own())))
	}
	v.write(status, document.HTML)
}

// goTo answers a form that has done its work.
func (v *visitor) goTo(path string) {
	rest, ok := strings.CutPrefix(path, v.at.base)
	if !ok || rest != "" && !strings.ContainsAny(rest[:1], "/?#") {
		v.failed(fmt.Errorf("a page wanted to lead away from the Webhooks page"))
		return
	}
	v.passCookies()
	v.protect("frame-ancestors 'none'")
	v.w.Header().Set("Location", path)
	v.write(http.StatusSeeOther, nil)
}

// protect sets the headers of every answer that is made for one person.
func (v *visitor) protect(policy string) {
	header := v.w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Cookie")
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Frame-Options", "DENY") // For browsers that do not know frame-ancestors.
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	header.Set("X-Robots-Tag", "noindex, nofollow")
}

// passCookies lets Plausible refresh its session through us.
func (v *visitor) passCookies() {
	if cookies := v.verdict.Answer.SetCookie; len(cookies) > 0 {
		v.w.Header()["Set-Cookie"] = cookies
	}
}

func (v *visitor) write(status int, body []byte) {
	v.status = status
	v.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(body) // Whoever asked may be gone.
	}
}

// own is the time that was not Plausible's.
func (v *visitor) own() time.Duration { return time.Since(v.began) - v.verdict.Waited }

// told logs the request without its path, which names a site.
func (v *visitor) told() {
	v.served(Served{Route: RoutePage, Status: v.status, Plausible: v.verdict.Waited, Own: v.own()})
	v.log.Debug("page", "method", v.r.Method, "status", v.status, "site", v.verdict.Site.ID,
		"plausible", v.verdict.Waited.Round(time.Microsecond).String(), "own", v.own().Round(time.Microsecond).String())
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}
