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
	"HOPOPT": 0, "IP": 0, "ICMP": 1, "IGMP": 2, "GGP": 3, "IP-ENCAP": 4, "IPENCAP": 4, "ST": 5, "TCP": protocolTCP,
	"EGP": 8, "IGP": 9, "PUP": 12, "UDP": protocolUDP, "HMP": 20, "XNS-IDP": 22, "RDP": 27, "ISO-TP4": 29, "DCCP": 33,
	"XTP": 36, "DDP": 37, "IDPR-CMTP": 38, "IPV6": 41, "IPV6-ROUTE": 43, "IPV6-FRAG": 44, "IDRP": 45, "RSVP": 46,
	"GRE": 47, "ESP": 50, "IPSEC-ESP": 50, "AH": 51, "IPSEC-AH": 51, "SKIP": 57, "IPV6-ICMP": 58, "IPV6-NONXT": 59,
	"IPV6-OPTS": 60, "CPHB": 73, "RSPF": 73, "VMTP": 81, "EIGRP": 88, "OSPF": 89, "OSPFIGP": 89, "AX.25": 93,
	"IPIP": 94, "ETHERIP": 97, "ENCAP": 98, "PIM": 103, "IPCOMP": 108, "VRRP": 112, "L2TP": 115, "ISIS": 124,
	"SCTP": 132, "FC": 133, "MOBILITY-HEADER": 135, "UDPLITE": 136, "MPLS-IN-IP": 137, "MANET": 138, "HIP": 139,
	"SHIM6": 140, "WESP": 141, "ROHC": 142, "ETHERNET": 143,
}

// portNumbers is the names of services that such records have: those of their time (RFC 1010, "Assigned Numbers"), and
// what is usual (IANA, "Service Name and Transport Protocol Port Number Registry").
var portNumbers = map[string]uint16{
	"TCPMUX": 1, "RJE": 5, "ECHO": 7, "DISCARD": 9, "NULL": 9, "SINK": 9, "SYSTAT": 11, "USERS": 11, "DAYTIME": 13,
	"NETSTAT": 15, "QOTD": 17, "QUOTE": 17, "MSP": 18, "CHARGEN": 19, "SOURCE": 19, "TTYTST": 19, "FTP-DATA": 20,
	"FSP": 21, "FSPD": 21, "FTP": 21, "SSH": 22, "TELNET": 23, "MAIL": 25, "SMTP": 25, "NSW-FE": 27, "MSG-ICP": 29,
	"MSG-AUTH": 31, "DSP": 33, "TIME": 37, "TIMSERVER": 37, "RLP": 39, "GRAPHICS": 41, "NAME": 42, "NAMESERVER": 42,
	"NICNAME": 43, "WHOIS": 43, "MPM-FLAGS": 44, "MPM": 45, "MPM-SND": 46, "NI-FTP": 47, "TACACS": 49, "RE-MAIL-CK": 50,
	"LA-MAINT": 51, "XNS-TIME": 52, "DOMAIN": 53, "XNS-CH": 54, "ISI-GL": 55, "XNS-AUTH": 56, "XNS-MAIL": 58,
	"NI-MAIL": 61, "ACAS": 62, "COVIA": 64, "SQL*NET": 66, "BOOTPS": 67, "BOOTPC": 68, "TFTP": 69, "GOPHER": 70,
	"NETRJS-1": 71, "NETRJS-2": 72, "NETRJS-3": 73, "NETRJS-4": 74, "VETTCP": 78, "FINGER": 79, "HTTP": 80, "WWW": 80,
	"HOSTS2-NS": 81, "XFER": 82, "MIT-ML-DEV": 83, "CTF": 84, "MFCOBOL": 86, "KERBEROS": 88, "KERBEROS-SEC": 88,
	"KERBEROS5": 88, "KRB5": 88, "SU-MIT-TG": 89, "DNSIX": 90, "MIT-DOV": 91, "NPP": 92, "DCP": 93, "OBJCALL": 94,
	"SUPDUP": 95, "DIXIE": 96, "SWIFT-RVF": 97, "TACNEWS": 98, "METAGRAM": 99, "NEWACCT": 100, "HOSTNAME": 101,
	"HOSTNAMES": 101, "ISO-TSAP": 102, "TSAP": 102, "GPPITNP": 103, "X400": 103, "ACR-NEMA": 104, "DICOM": 104,
	"X400-SND": 104, "CSNET-NS": 105, "3COM-TSMUX": 106, "POPPASSD": 106, "RTELNET": 107, "SNAGAS": 108, "POP2": 109,
	"POP-3": 110, "POP3": 110, "PORTMAPPER": 111, "SUNRPC": 111, "MCIDAS": 112, "AUTH": 113, "AUTHENTICATION": 113,
	"IDENT": 113, "TAP": 113, "AUDIONEWS": 114, "SFTP": 115, "ANSANOTIFY": 116, "UUCP-PATH": 117, "SQLSERV": 118,
	"NNTP": 119, "READNEWS": 119, "UNTP": 119, "CFDPTKT": 120, "ERPC": 121, "SMAKYNET": 122, "NTP": 123,
	"ANSATRADER": 124, "LOCUS-MAP": 125, "UNITARY": 126, "LOCUS-CON": 127, "GSS-XLICEN": 128, "PWDGEN": 129,
	"CISCO-FNA": 130, "CISCO-TNA": 131, "CISCO-SYS": 132, "STATSRV": 133, "INGRES-NET": 134, "EPMAP": 135,
	"LOC-SRV": 135, "PROFILE": 136, "NETBIOS-NS": 137, "NETBIOS-DGM": 138, "NETBIOS-SSN": 139, "EMFIS-DATA": 140,
	"EMFIS-CNTL": 141, "BL-IDM": 142, "IMAP": 143, "IMAP2": 143, "NEWS": 144, "UAAC": 145, "ISO-TP0": 146,
	"ISO-IP": 147, "CRONUS": 148, "AED-512": 149, "SQL-NET": 150, "HEMS": 151, "BFTP": 152, "SGMP": 153,
	"NETSC-PROD": 154, "NETSC-DEV": 155, "SQLSRV": 156, "KNET-CMP": 157, "PCMAIL-SRV": 158, "NSS-ROUTING": 159,
	"SGMP-TRAPS": 160, "SNMP": 161, "SNMP-TRAP": 162, "SNMPTRAP": 162, "CMIP-MAN": 163, "CMIP-AGENT": 164, "MAILQ": 174,
	"XDMCP": 177, "BGP": 179, "IRC": 194, "SMUX": 199, "QMTP": 209, "WAIS": 210, "Z3950": 210, "IPX": 213,
	"PTP-EVENT": 319, "PTP-GENERAL": 320, "PAWSERV": 345, "ZSERV": 346, "RPC2PORTMAP": 369, "CODAAUTH2": 370,
	"CLEARCASE": 371, "LDAP": 389, "SVRLOC": 427, "HTTPS": 443, "SNPP": 444, "MICROSOFT-DS": 445, "KPASSWD": 464,
	"SMTPS": 465, "SSMTP": 465, "SUBMISSIONS": 465, "URD": 465, "SAFT": 487, "ISAKMP": 500, "BIFF": 512, "COMSAT": 512,
	"EXEC": 512, "LOGIN": 513, "WHO": 513, "WHOD": 513, "CMD": 514, "SHELL": 514, "SYSLOG": 514, "PRINTER": 515,
	"SPOOLER": 515, "TALK": 517, "NTALK": 518, "ROUTE": 520, "ROUTED": 520, "ROUTER": 520, "GDOMAP": 538, "UUCP": 540,
	"UUCPD": 540, "KLOGIN": 543, "KRCMD": 544, "KSHELL": 544, "DHCPV6-CLIENT": 546, "DHCPV6-SERVER": 547,
	"AFPOVERTCP": 548, "RTSP": 554, "NNTPS": 563, "SNNTP": 563, "SUBMISSION": 587, "NQS": 607, "ASF-RMCP": 623,
	"QMQP": 628, "IPP": 631, "LDAPS": 636, "LDP": 646, "TINC": 655, "SILC": 706, "KERBEROS-ADM": 749, "KDC": 750,
	"KERBEROS-IV": 750, "KERBEROS4": 750, "KERBEROS-MASTER": 751, "KERBEROS_MASTER": 751, "PASSWD-SERVER": 752,
	"PASSWD_SERVER": 752, "HPROP": 754, "KRB-PROP": 754, "KRB5_PROP": 754, "KRB_PROP": 754, "MOIRA-DB": 775,
	"MOIRA_DB": 775, "MOIRA-UPDATE": 777, "MOIRA_UPDATE": 777, "MOIRA-UREG": 779, "MOIRA_UREG": 779, "SPAMD": 783,
	"DOMAIN-S": 853, "SUPFILESRV": 871, "RSYNC": 873, "FTPS-DATA": 989, "FTPS": 990, "TELNETS": 992, "IMAPS": 993,
	"POP3S": 995,
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
