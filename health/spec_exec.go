package health

// Exec is a program that judges: exit status 0 passes, 1 fails, and anything else says that it could not
// judge. The program is told what it is run for in its environment.
type Exec struct {
	Command []string          // the program's path, and its arguments
	Env     map[string]string `json:",omitempty"` // beside what every program is told
	Address string            `json:",omitempty"` // of the member; empty: the check is made once for the pool
	Pool    string            `json:",omitempty"`
	Region  string            `json:",omitempty"`
}

// Kind returns "exec".
func (*Exec) Kind() string { return "exec" }

// Files returns none.
func (*Exec) Files() []string { return nil }

// Where returns nothing: the check's name says more than the program's.
func (*Exec) Where() string { return "" }

// Wants says which program is to end well. Its arguments may hold secrets.
func (e *Exec) Wants() []string {
	return []string{"wants exit status 0 of " + e.Command[0]}
}
