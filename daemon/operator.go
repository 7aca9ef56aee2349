package daemon

import (
	"path/filepath"
	"time"

	"gslb/alias"
	"gslb/health"
	"gslb/health/probe"
	"gslb/operate"
	"gslb/replication"
	"gslb/zones"
	"gslb/zones/config"
)

// commands is all that persons and programs can ask of the server: it is the admin.Operator.
type commands struct {
	*operate.Operator
	*operate.Planner
	*configuration // for Apply
}

func (p *program) newCommands(databases *config.Databases) *commands {
	return &commands{
		Operator: operate.New(operate.Options{
			Book: p.overrides, Publisher: p.publisher, Marks: probe.NewMarks(probe.Options{}), Hooks: operate.NewHookRunner(), Tell: p.journal.Add, Logger: p.logger,
		}),
		Planner: &operate.Planner{
			Outcome: p.publisher.Outcome,
			Load: func(path, content string, remote bool) (set *zones.Set, err error) {
				current := p.config.Current()
				options := config.LoadOptions{
					Now: time.Now(), Databases: databases,
					Serials: func(string) map[string]zones.Serial { return serials(current) },
				}
				if remote {
					options.Within, options.Also = filepath.Dir(current.Path), current.Files
				}
				behindQueries(func() { set, err = config.Parse([]byte(content), path, options) })
				return set, err
			},
			// Who may ask for a plan may not have this host run a command of theirs.
			Make: func() health.Maker {
				return probe.New(probe.Options{Heartbeats: replication.NewBook(replication.Options{})})
			},
			LookUp: alias.LookUp,
			Heavy:  behindQueries,
		},
		configuration: p.config,
	}
}

// pusher takes what is pushed: it is the admin.Pusher.
type pusher struct {
	*health.Monitor
	pushes *health.Pushes
}

// Push implements admin.Pusher.
func (p pusher) Push(id health.TargetID, said health.Pushed) {
	p.pushes.Put(id, said)
	p.Prompt(id)
}
