package front

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Server answers HTTP requests as a ClickHouse server would, and these for tests:
//
//	POST /devstack/pause    accept requests but answer none
//	POST /devstack/fail     answer each with error 202, TOO_MANY_SIMULTANEOUS_QUERIES
//	POST /devstack/resume   be well again; paused requests go on
//	GET  /devstack/queries  the query log as JSON; ?last=N for the newest N only
type Server struct {
	engine  Engine
	folder  string
	profile map[string]string
	trouble trouble
	log     queryLog
}

// New makes a server that keeps request bodies in folder while they are used, and applies the
// settings of profile to every query.
func New(engine Engine, folder string, profile map[string]string) *Server {
	return &Server{engine: engine, folder: folder, profile: profile}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if action, ok := strings.CutPrefix(r.URL.Path, "/devstack/"); ok {
		s.administer(w, r, action)
		return
	}
	if err := s.trouble.meet(r.Context()); err != nil {
		// Unread bodies would make the server cut the connection under the client's feet.
		_, _ = io.Copy(io.Discard, r.Body)
		writeError(w, s.engine.Version(), err)
		return
	}
	if r.URL.Path == "/ping" || r.Method == http.MethodGet && r.URL.Query().Get("query") == "" {
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	s.answer(w, r)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	statement, remove, err := read(r, s.folder)
	defer remove()
	if err != nil {
		writeError(w, s.engine.Version(), err)
		return
	}
	w.Header().Set("X-ClickHouse-Query-Id", statement.id)
	if revision := r.URL.Query().Get("client_protocol_version"); revision != "" && statement.query == helloQuery {
		number, err := strconv.ParseUint(revision, 10, 32)
		if err != nil {
			writeError(w, s.engine.Version(), Exception{72, "client_protocol_version is not a number. (CANNOT_PARSE_NUMBER)"})
			return
		}
		// The database must exist, or connecting to a missing one would succeed.
		if _, err := s.run(statement, "SELECT 1"); err != nil {
			writeError(w, s.engine.Version(), err)
			return
		}
		if err := writeAnswer(w, statement, Answer{Body: hello(s.engine.Version(), number)}); err != nil {
			log.Printf("answer hello: %v", err)
		}
		return
	}

	answer, err := s.run(statement, statement.text())
	entry := Entry{
		Started: started, ID: statement.id, Database: statement.database, SQL: statement.query,
		Params: statement.params, Settings: statement.settings,
		ResultRows: answer.ResultRows, ReadRows: answer.ReadRows, ReadBytes: answer.ReadBytes, Elapsed: answer.Elapsed,
	}
	if err != nil {
		entry.Code = exceptionCode(err)
	}
	// Logged before the answer, so that a client that has it finds its query in the log.
	s.log.add(entry)
	if err != nil {
		writeError(w, s.engine.Version(), err)
		return
	}
	// A client that went away is its own business.
	_ = writeAnswer(w, statement, answer)
}

// run runs sql in a session that is prepared for the statement.
func (s *Server) run(statement statement, sql string) (Answer, error) {
	session, err := s.engine.Session()
	if err != nil {
		return Answer{}, err
	}
	defer session.Close()
	for _, preparation := range statement.preparations(s.profile) {
		if _, err := session.Run(preparation, "TabSeparated"); err != nil {
			return Answer{}, err
		}
	}
	return session.Run(sql, statement.format)
}

func (s *Server) administer(w http.ResponseWriter, r *http.Request, action string) {
	switch {
	case action == "queries" && r.Method == http.MethodGet:
		last, err := strconv.Atoi(first(r.URL.Query().Get("last"), "0"))
		if err != nil || last < 0 {
			http.Error(w, "last must be a number of queries", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.log.last(last))
	case r.Method != http.MethodPost:
		http.Error(w, "POST /devstack/pause, fail or resume; GET /devstack/queries", http.StatusMethodNotAllowed)
	case action == "pause":
		s.trouble.set(false, true)
	case action == "fail":
		s.trouble.set(true, false)
	case action == "resume":
		s.trouble.set(false, false)
	default:
		http.NotFound(w, r)
	}
}
