package settings

import (
	"crypto/rand"
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

// token is that of a new form.
func token() string { return rand.Text() }

// seen returns where a form leads that was sent before.
func (s *spent) seen(key string) (path string, ok bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	path, ok = s.where[key]
	return path, ok
}

func (s *spent) spend(key, path string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.where == nil {
		s.where = map[string]string{}
	}
	if _, again := s.where[key]; !again {
		s.order = append(s.order, key)
	}
	s.where[key] = path
	if len(s.order) > mostSpent {
		delete(s.where, s.order[0])
		s.order = s.order[1:]
	}
}
