package plausible

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
)

// eventRequest is the body that Plausible's tracker script sends.
type eventRequest struct {
	Name        string         `json:"n"`
	NameLong    string         `json:"name"`
	Domain      string         `json:"d"`
	DomainLong  string         `json:"domain"`
	URL         string         `json:"u"`
	URLLong     string         `json:"url"`
	Referrer    string         `json:"r"`
	Props       map[string]any `json:"p"`
	PropsLong   map[string]any `json:"props"`
	ScrollDepth *int           `json:"sd"`
	Engagement  uint32         `json:"e"` // Milliseconds.
}

// ingest answers POST /api/event: the timestamp is the server's own, cut to
// the second, and the row waits in the write buffer (Plausible's
// lib/plausible/ingestion). A name in d stands for several sites when it holds
// commas. Unknown sites are dropped and still answered 202.
func (s *Server) ingest(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	var in eventRequest
	if err != nil || json.Unmarshal(raw, &in) != nil {
		http.Error(w, "Bad request", http.StatusBadRequest)
		return
	}
	name, domains, address := first(in.Name, in.NameLong), first(in.Domain, in.DomainLong), first(in.URL, in.URLLong)
	page, err := url.Parse(address)
	if err != nil || name == "" || domains == "" || page.Host == "" {
		http.Error(w, `{"errors":{"event":"want n, d and u"}}`, http.StatusBadRequest)
		return
	}
	now := time.Now().UTC().Truncate(time.Second)
	visitor := visitorID(r, domains, now)
	for domain := range strings.SplitSeq(domains, ",") {
		site, err := s.siteID(r, strings.TrimSpace(domain))
		if err != nil {
			continue
		}
		event := stack.Event{
			SiteID: site, Timestamp: now, Name: name, UserID: visitor, SessionID: visitor,
			Hostname: strings.TrimPrefix(page.Hostname(), "www."), Pathname: pathname(page),
			ReferrerSource: source(in.Referrer), Props: scalarProps(in.Props, in.PropsLong),
		}
		if name == "engagement" {
			event.ScrollDepth = stack.ScrollDepthMissing
			if in.ScrollDepth != nil {
				event.ScrollDepth = uint8(min(max(*in.ScrollDepth, 0), 100))
			}
			event.EngagementTime = in.Engagement
		}
		s.buffer.add(event)
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprint(w, "ok")
}

func (s *Server) siteID(r *http.Request, domain string) (id uint64, err error) {
	// Both domains of a renamed site are accepted for a while.
	err = s.db.QueryRow(r.Context(), `select id from sites where domain = $1 or domain_changed_from = $1 limit 1`, domain).Scan(&id)
	return id, err
}

// visitorID is stable for a visitor, site and day, as Plausible's salted hash.
func visitorID(r *http.Request, domain string, now time.Time) uint64 {
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	if forwarded := r.Header.Get("X-Forwarded-For"); forwarded != "" {
		ip, _, _ = strings.Cut(forwarded, ",")
	}
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s|%s|%s|%s", now.Format(time.DateOnly), r.UserAgent(), strings.TrimSpace(ip), domain)
	return hash.Sum64()
}

func pathname(page *url.URL) string {
	if page.Path == "" {
		return "/"
	}
	return strings.TrimRight(page.Path, " ")
}

// source names the referrer; Plausible has a long list, this one a short one.
func source(referrer string) string {
	u, err := url.Parse(referrer)
	if err != nil || u.Host == "" {
		return ""
	}
	host := strings.TrimPrefix(u.Hostname(), "www.")
	if known, ok := map[string]string{"news.ycombinator.com": "Hacker News", "google.com": "Google", "bing.com": "Bing"}[host]; ok {
		return known
	}
	return host
}

// scalarProps keeps what Plausible keeps: non-blank scalars, as text.
func scalarProps(props ...map[string]any) map[string]string {
	kept := map[string]string{}
	for _, set := range props {
		for key, value := range set {
			switch value.(type) {
			case string, bool, float64:
				if text := fmt.Sprint(value); text != "" {
					kept[key] = text
				}
			}
		}
	}
	return kept
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
