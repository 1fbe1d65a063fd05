package plausible

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5"

	"plausible-webhooks/deploy/devstack/stack"
)

func (s *Server) notifications(ctx context.Context, site siteRow) ([]notificationRow, error) {
	found := []notificationRow{
		{Type: "spike", Title: "Traffic spike notifications", Label: "Current visitor threshold"},
		{Type: "drop", Title: "Traffic drop notifications", Label: "12 hour visitor threshold"},
	}
	for i := range found {
		err := s.db.QueryRow(ctx, `select threshold from spike_notifications where site_id = $1 and type = $2`,
			site.ID, found[i].Type).Scan(&found[i].Threshold)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, err
		}
		found[i].Enabled = err == nil
	}
	return found, nil
}

// switchNotification inserts or deletes the row: Plausible keeps nothing of a
// notification that is off.
func (s *Server) switchNotification(w http.ResponseWriter, r *http.Request, u user, site siteRow) {
	kind := r.PathValue("type")
	var err error
	switch {
	case kind != "spike" && kind != "drop":
		s.notFound(w)
		return
	case r.PathValue("switch") == "enable":
		_, err = stack.AddNotification(r.Context(), s.db, site.ID, stack.Notification{Type: kind, Recipients: []string{u.email}})
	case r.PathValue("switch") == "disable":
		_, err = s.db.Exec(r.Context(), `delete from spike_notifications where site_id = $1 and type = $2`, site.ID, kind)
	default:
		s.notFound(w)
		return
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	http.Redirect(w, r, "/"+site.Path()+"/settings/email-reports", http.StatusFound)
}

func (s *Server) updateNotification(w http.ResponseWriter, r *http.Request, _ user, site siteRow) {
	threshold, err := strconv.Atoi(r.FormValue("threshold"))
	if err != nil || threshold < 1 {
		http.Error(w, "The threshold must be at least 1", http.StatusUnprocessableEntity)
		return
	}
	if _, err := s.db.Exec(r.Context(), `update spike_notifications set threshold = $3, updated_at = now() at time zone 'utc'
		where site_id = $1 and type = $2`, site.ID, r.PathValue("type"), threshold); err != nil {
		s.fail(w, err)
		return
	}
	http.Redirect(w, r, "/"+site.Path()+"/settings/email-reports", http.StatusFound)
}
