package settings

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
)

// mostSpent bounds the forms that are remembered; the oldest are forgotten.
const mostSpent = 1000

// spent remembers forms whose answer shows a secret. Such an answer is no
// redirect, so that loading it again would send the form again, and make
// another webhook or secret.
type spent struct {
	mutex sync.Mutex
	where map[string]string // What loading again leads to, by token and site.
	order []string
}

// once takes the form of a request, which is remembered for its site and
// place. A form without a token is not.
func (r *request) once(place string) (then func(path string), path string, fresh bool) {
	token := r.visit.Form.Get("form")
	if token == "" {
		return func(string) {}, "", true
	}
	return r.pages.spent.spend(fmt.Sprint(r.visit.Site.ID, "/", place, "/", token), r.visit.Base)
}

// token is that of a new form.
func token() string { return rand.Text() }

// spend takes a form's token, and reports false with where the form leads if
// it was taken before. Until then is called with the way, a form that is sent
// twice at once leads to the overview; with an empty one, the form can be sent
// again.
func (s *spent) spend(key, overview string) (then func(path string), path string, fresh bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if path, taken := s.where[key]; taken {
		return nil, path, false
	}
	if s.where == nil {
		s.where = map[string]string{}
	}
	s.where[key] = overview
	s.order = append(s.order, key)
	if len(s.order) > mostSpent {
		delete(s.where, s.order[0])
		s.order = s.order[1:]
	}
	return func(path string) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if path != "" {
			s.where[key] = path
			return
		}
		delete(s.where, key)
		s.order = slices.DeleteFunc(s.order, func(k string) bool { return k == key })
	}, "", true
}
