package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Names of the fields that a FieldError can be about. A trigger's fields are
// "triggers[N].type" and so on, N counting from zero; see TriggerField, and
// HeaderField for headers.
const (
	FieldSite    = "site"
	FieldURL     = "url"
	FieldName    = "name"
	FieldFormat  = "format"
	FieldSecret  = "secret"
	FieldOverlap = "overlap"
	FieldEvents  = "events"
	FieldTrigger = "triggers"
	FieldHeaders = "headers"
	FieldTimeout = "timeout"

	FieldDropHeaders = "drop-headers" // "drop-headers[N]" is Changes.DropHeaders[N].
)

// TriggerField names a field of the trigger at an index.
func TriggerField(index int, field string) string {
	return fmt.Sprintf("%s[%d].%s", FieldTrigger, index, field)
}

// HeaderField names a field of the header at an index: "name" or "value".
func HeaderField(index int, field string) string {
	return fmt.Sprintf("%s[%d].%s", FieldHeaders, index, field)
}

// FieldError is one mistake in what a person entered.
type FieldError struct {
	Field   string
	Message string // A clause in lower case, without a full stop; never holds a secret, a header's value or a URL's path.
}

func (e FieldError) Error() string { return e.Field + ": " + e.Message }

// Invalid holds every mistake of one request; nothing was changed.
type Invalid struct {
	Fields []FieldError // At least one.
}

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Fields))
	for i, field := range e.Fields {
		lines[i] = field.Error()
	}
	return strings.Join(lines, "; ")
}

// mistakes collects what is wrong.
type mistakes []FieldError

func (m *mistakes) add(field, format string, args ...any) {
	*m = append(*m, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

func (m mistakes) err() error {
	if len(m) == 0 {
		return nil
	}
	return &Invalid{Fields: m}
}

func invalid(field, format string, args ...any) error {
	var m mistakes
	m.add(field, format, args...)
	return m.err()
}

// ErrNotFound means that no webhook has the id.
var ErrNotFound = errors.New("there is no such webhook")

// ErrManagedByEnvironment means that only the environment may change the
// webhook.
var ErrManagedByEnvironment = errors.New("this webhook is the one of WEBHOOKS_URL: change the WEBHOOKS_… variables and start the sidecar again")

// ErrBusy means that somebody else changes the same thing, or that Plausible
// migrates its tables; nothing was changed.
var ErrBusy = errors.New("it is being changed by somebody else, or Plausible's tables are: nothing was changed, try again")

// busy is ErrBusy where PostgreSQL gave up a wait for a lock, and err otherwise.
func busy(err error) error {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok && (said.Code == "55P03" || said.Code == "40P01") { // lock_not_available, deadlock_detected
		return fmt.Errorf("%w (%w)", ErrBusy, err)
	}
	return err
}

func notFound(id int64) error { return fmt.Errorf("webhook %d: %w", id, ErrNotFound) }

func managed(id int64) error { return fmt.Errorf("webhook %d: %w", id, ErrManagedByEnvironment) }
