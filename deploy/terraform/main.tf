# Two name servers on droplets in two places, with the package and zones.toml: see cloud-init.yaml.
#
#     export DIGITALOCEAN_TOKEN=…
#     terraform init && terraform apply -var package_url=… -var package_sha256=… -var 'ssh_keys=["…"]' -var 'admin_networks=["…"]'
#
# The droplets' addresses are printed. Give them to the names of the name servers (ns1.example.com and
# ns2.example.com in zones.toml) in the parent zone, and delegate: gslb delegation zones.toml
#
# user_data is read at the first start alone. After it, copy a changed file to both servers, with its time, which
# their serial comes from: rsync -t zones.toml root@ADDRESS:/etc/gslb/

terraform {
  required_version = ">= 1.5"
  required_providers {
    digitalocean = {
      source  = "digitalocean/digitalocean"
      version = "~> 2.40"
    }
  }
}

variable "servers" {
  description = "Name servers, and the region of each. Take other regions than those of the app, or other providers."
  type        = map(string)
  default     = { ns1 = "tor1", ns2 = "fra1" }

  validation {
    condition     = length(var.servers) >= 2 && length(distinct(values(var.servers))) >= 2
    error_message = "Name servers fail together if they are in one place: give two, in two regions, or more."
  }
}

variable "size" {
  description = "Size of a droplet."
  type        = string
  default     = "s-1vcpu-1gb"
}

variable "ssh_keys" {
  description = "IDs or fingerprints of the SSH keys that may log in."
  type        = list(string)
}

variable "admin_networks" {
  description = "Networks that SSH is allowed from, such as 203.0.113.7/32."
  type        = list(string)
}

variable "package_url" {
  description = "Where the .deb is that make packages has built."
  type        = string

  validation {
    condition     = startswith(var.package_url, "https://")
    error_message = "The package is fetched over https."
  }
}

variable "package_sha256" {
  description = "Its SHA-256, in hexadecimal."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "A SHA-256 has 64 hexadecimal digits."
  }
}

variable "zones_toml" {
  description = "Path of the configuration that all servers get."
  type        = string
  default     = "zones.toml"
}

resource "digitalocean_droplet" "ns" {
  for_each = var.servers

  name       = "gslb-${each.key}"
  region     = each.value
  size       = var.size
  image      = "debian-12-x64"
  ipv6       = true
  monitoring = true
  ssh_keys   = var.ssh_keys
  tags       = ["gslb"]
  user_data = templatefile("${path.module}/cloud-init.yaml", {
    zones_toml     = base64encode(file(var.zones_toml))
    package_url    = var.package_url
    package_sha256 = var.package_sha256
  })

  # A change of these would replace both servers, and their addresses, at once.
  lifecycle {
    ignore_changes = [user_data, image, ssh_keys]
  }
}

resource "digitalocean_firewall" "ns" {
  name        = "gslb"
  droplet_ids = [for droplet in digitalocean_droplet.ns : droplet.id]

  dynamic "inbound_rule" {
    for_each = ["udp", "tcp"]
    content {
      protocol         = inbound_rule.value
      port_range       = "53"
      source_addresses = ["0.0.0.0/0", "::/0"]
    }
  }

  inbound_rule {
    protocol         = "tcp"
    port_range       = "22"
    source_addresses = var.admin_networks
  }

  inbound_rule {
    protocol         = "icmp"
    source_addresses = ["0.0.0.0/0", "::/0"]
  }

  # Probes, and DynamoDB.
  dynamic "outbound_rule" {
    for_each = ["udp", "tcp"]
    content {
      protocol              = outbound_rule.value
      port_range            = "1-65535"
      destination_addresses = ["0.0.0.0/0", "::/0"]
    }
  }

  outbound_rule {
    protocol              = "icmp"
    destination_addresses = ["0.0.0.0/0", "::/0"]
  }
}

output "addresses" {
  description = "For the records of the name servers in the parent zone."
  value = {
    for name, droplet in digitalocean_droplet.ns : name => { ipv4 = droplet.ipv4_address, ipv6 = droplet.ipv6_address }
  }
}
