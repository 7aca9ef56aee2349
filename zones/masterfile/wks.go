package masterfile

// The data of WKS records (RFC 1035, section 3.4.2): an address, a protocol, and a bit for each
// port at which it has a service.
var (
	asProtocol = form{read: (*builder).protocol, size: octets(1)}
	asServices = form{read: (*builder).services, size: servicesSize}
)

const (
	protocolTCP = 6
	protocolUDP = 17
)

// protocolNumbers is the names of protocols (IANA, "Protocol Numbers"). The host's own
// /etc/protocols and /etc/services are not used, so that a file is the same zone on every host.
var protocolNumbers = map[string]uint16{
	"ICMP": 1, "IGMP": 2, "GGP": 3, "ST": 5, "TCP": protocolTCP, "EGP": 8, "IGP": 9, "PUP": 12, "UDP": protocolUDP,
	"HMP": 20, "XNS-IDP": 22, "RDP": 27, "ISO-TP4": 29,
}

// portNumbers is the names of services that such records have (IANA, "Service Name and Transport
// Protocol Port Number Registry").
var portNumbers = map[string]uint16{
	"TCPMUX": 1, "ECHO": 7, "DISCARD": 9, "SYSTAT": 11, "DAYTIME": 13, "NETSTAT": 15, "QOTD": 17, "CHARGEN": 19,
	"FTP-DATA": 20, "FTP": 21, "SSH": 22, "TELNET": 23, "SMTP": 25, "TIME": 37, "RLP": 39, "NAMESERVER": 42,
	"WHOIS": 43, "NICNAME": 43, "TACACS": 49, "DOMAIN": 53, "BOOTPS": 67, "BOOTPC": 68, "TFTP": 69, "GOPHER": 70,
	"FINGER": 79, "HTTP": 80, "WWW": 80, "KERBEROS": 88, "SUPDUP": 95, "HOSTNAMES": 101, "ISO-TSAP": 102,
	"ACR-NEMA": 104, "CSNET-NS": 105, "POP2": 109, "POP3": 110, "SUNRPC": 111, "AUTH": 113, "IDENT": 113,
	"SFTP": 115, "UUCP-PATH": 117, "NNTP": 119, "NTP": 123, "NETBIOS-NS": 137, "NETBIOS-DGM": 138,
	"NETBIOS-SSN": 139, "IMAP": 143, "IMAP2": 143, "SNMP": 161, "SNMP-TRAP": 162, "XDMCP": 177, "BGP": 179, "IRC": 194,
	"LDAP": 389, "HTTPS": 443, "SUBMISSIONS": 465, "SYSLOG": 514, "PRINTER": 515, "SUBMISSION": 587, "LDAPS": 636,
	"DOMAIN-S": 853, "IMAPS": 993, "POP3S": 995,
}

// protocol reads a protocol, by number or name.
func (b *builder) protocol(what string) {
	b.out = append(b.out, byte(b.word(what, 8, protocolNumbers, "TCP")))
}

// services reads the rest as ports, by number or name. There may be none.
func (b *builder) services(what string) {
	from := len(b.out)
	for len(b.fields) > 0 {
		port := b.word(what, 16, portNumbers, "smtp")
		if b.err != nil {
			return
		}
		b.setBit(from, int(port))
	}
}

func servicesSize(data []byte, at int) int {
	const all = 1 << 16 / 8
	if len(data)-at > all {
		return -1
	}
	return len(data) - at
}
