package receiver

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// controlPath is where a person with curl tells the receiver what to do.
const controlPath = "/_control"

// serveControl answers the control path and reports whether it did.
//
//	GET  /_control                     what has arrived, as JSON
//	POST /_control?path=/x&do=fail:3   how to answer from now on
func (r *Receiver) serveControl(w http.ResponseWriter, req *http.Request) bool {
	if req.URL.Path != controlPath {
		return false
	}
	if req.Method == http.MethodGet {
		type entry struct {
			At     string      `json:"at"`
			Path   string      `json:"path"`
			Header http.Header `json:"header"`
			Body   string      `json:"body"`
		}
		entries := []entry{}
		for _, q := range r.Requests(req.URL.Query().Get("path")) {
			entries = append(entries, entry{q.At.UTC().Format("2006-01-02T15:04:05.000Z"), q.Path, q.Header, string(q.Body)})
		}
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(entries) // The client may be gone; there is nobody else to tell.
		return true
	}
	var behaviours []Behaviour
	for _, text := range req.URL.Query()["do"] {
		behaviour, err := Parse(text)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return true
		}
		behaviours = append(behaviours, behaviour)
	}
	path := req.URL.Query().Get("path")
	if path == "" || len(behaviours) == 0 {
		http.Error(w, "want path=/… and at least one do=…, where do is one of:\n"+Usage, http.StatusBadRequest)
		return true
	}
	r.Behave(path, behaviours...)
	fmt.Fprintf(w, "%s now answers as told\n", path)
	return true
}
