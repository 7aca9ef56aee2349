package shout

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
)

// sendTelegram is for the service telegram, which takes a message for sent if its server can't be reached. Only
// its URL is the library's.
func (s *Service) sendTelegram(ctx context.Context, text Text) error {
	service, err := locate(s.url)
	if err != nil {
		return err
	}
	config := service.(*telegram.Service).GetConfig()
	for _, chat := range config.Chats {
		body, err := json.Marshal(map[string]any{
			"chat_id": chat, "parse_mode": "HTML", "disable_notification": !config.Notification, "disable_web_page_preview": true,
			"text": fmt.Sprintf("<b>%s</b>\n%s", html.EscapeString(line(text.Title)), html.EscapeString(cut(text.Body, s.form.most))),
		})
		if err != nil {
			return err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://api.telegram.org/bot"+config.Token+"/sendMessage", bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(reply.Body, mostReply))
		reply.Body.Close()
		if reply.StatusCode != http.StatusOK {
			return RefusedBy(reply, time.Now())
		}
	}
	return nil
}
