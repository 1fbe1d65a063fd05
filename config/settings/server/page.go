package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/settings/gate"
	"plausible-webhooks/config/settings/shell"
)

// visitor is one request for a page and what is known about it so far.
type visitor struct {
	*Server
	w       http.ResponseWriter
	r       *http.Request
	at      address
	verdict gate.Verdict
	began   time.Time
	status  int // What was answered.
}

// servePage answers a request for the Webhooks page: refuses what no browser of
// the site's people sends, asks Plausible, and only then looks at anything.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, at address) {
	v := &visitor{Server: s, w: w, r: r, at: at, began: time.Now()}
	deadline := v.began.Add(answerLimit)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(deadline)  // Not every writer has deadlines;
	_ = control.SetWriteDeadline(deadline) // the server's own has.
	defer v.told()
	defer v.recovered()
	v.answer()
}

func (v *visitor) answer() {
	switch v.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		v.w.Header().Set("Allow", "GET, HEAD, POST")
		v.plain(http.StatusMethodNotAllowed, "This cannot be done here", "The page is read with GET and changed with POST.")
		return
	}
	if err := v.origin.Check(v.r); err != nil {
		v.plain(http.StatusForbidden, "This request came from another site",
			"Nothing was changed. Changes can only be made from the page itself, at the address of this Plausible.")
		return
	}
	back := v.at.here(v.r.URL.RawQuery)
	if v.r.Method == http.MethodPost {
		back = v.at.base // What a form was sent to may not be a page.
	}
	var err error
	asked := time.Now()
	if v.verdict, err = v.gate.Ask(v.r.Context(), v.r, v.at.domain, back); err != nil {
		v.undecided(asked, err)
		return
	}
	v.untroubled()
	if !v.verdict.Allowed {
		v.handOn()
		return
	}
	visit, ok := v.visit()
	if !ok {
		return
	}
	method := v.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if v.at.odd {
		v.notFound()
		return
	}
	page, err := v.pages.Serve(v.r.Context(), visit, method)
	switch {
	case err != nil:
		v.failed(err)
	case page.GoTo != "":
		v.goTo(page.GoTo)
	default:
		v.show(page)
	}
}

// visit reads the form, if there is one.
func (v *visitor) visit() (settings.Visit, bool) {
	visit := settings.Visit{Site: settings.Site(v.verdict.Site), Base: v.at.base, Rest: v.at.rest, Query: v.r.URL.Query()}
	if v.r.Method != http.MethodPost {
		return visit, true
	}
	kind, _, _ := strings.Cut(v.r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		v.notice(http.StatusUnsupportedMediaType, "This form cannot be read", "Nothing was changed. The page's own forms are sent as application/x-www-form-urlencoded.")
		return settings.Visit{}, false
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, MaxForm)
	if err := v.r.ParseForm(); err != nil {
		if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
			v.notice(http.StatusRequestEntityTooLarge, "This is too long", fmt.Sprintf("Nothing was changed. A form may have at most %d KiB.", MaxForm>>10))
		} else {
			v.notice(http.StatusBadRequest, "This form cannot be read", "Nothing was changed. Go back and send it again.")
		}
		return settings.Visit{}, false
	}
	visit.Form = v.r.PostForm
	return visit, true
}

// undecided tells why Plausible's answer could not be had. Nothing of the site
// is shown.
func (v *visitor) undecided(asked time.Time, err error) {
	if errors.Is(v.r.Context().Err(), context.Canceled) {
		v.status = statusGone
		return // Nobody is there to be told.
	}
	trouble, ok := errors.AsType[*gate.Trouble](err)
	if !ok {
		v.failed(err)
		return
	}
	if trouble.Err != nil {
		v.troubled(asked, trouble.OfDatabase(), trouble.Err)
	}
	v.passCookies()
	v.plain(trouble.Status, trouble.Title, trouble.Text)
}

// statusGone stands for an answer that nobody waited for, as in nginx.
const statusGone = 499

func (v *visitor) notFound() {
	v.notice(http.StatusNotFound, "There is nothing here", "The webhook or delivery may have been deleted.")
}

// failed keeps the reason in the log and shows where to look for it.
func (v *visitor) failed(err error) {
	if errors.Is(v.r.Context().Err(), context.Canceled) {
		v.status = statusGone
		return
	}
	reference := rand.Text()[:10]
	v.log.Error("the Webhooks page could not be shown", "reference", reference, "site", v.verdict.Site.ID, "error", err)
	v.notice(http.StatusInternalServerError, "Something went wrong", "Try again. If it stays so, whoever runs this Plausible finds the reason in the log of plausible-webhooks under the reference "+reference+".")
}

// recovered turns a panic into an error like any other, unless the answer has
// begun.
func (v *visitor) recovered() {
	reason := recover()
	if reason == nil {
		return
	}
	if reason == http.ErrAbortHandler || v.status != 0 {
		panic(reason)
	}
	v.failed(fmt.Errorf("panic: %v\n%s", reason, debug.Stack()))
}

// notice shows one thing to somebody who has been let in.
func (v *visitor) notice(status int, heading string, paragraphs ...string) {
	if !v.verdict.Allowed {
		v.plain(status, heading, paragraphs...)
		return
	}
	said := shell.Notice{Heading: heading, Paragraphs: paragraphs, Link: v.at.base, Way: "All webhooks of this site"}
	v.show(settings.Page{Status: status, Title: heading, Body: said.Body()})
}
