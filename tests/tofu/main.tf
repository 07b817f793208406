# As many resources as are asked for, of one type, and what Resource Manager calls them.

terraform {
  required_providers {
    arm = { source = "azward.test/tests/arm" }
  }
}

variable "name" { type = string }
variable "amount" { type = number }
variable "origin" { type = string }
variable "use_msi" { type = bool }
variable "subscription_id" {
  type    = string
  default = null
}

provider "arm" {
  use_cli         = !var.use_msi
  use_msi         = var.use_msi
  endpoint        = var.origin
  authority_host  = var.origin
  audience        = "https://management.core.windows.net/"
  subscription_id = var.subscription_id
}

resource "arm_resource" "all" {
  count       = var.amount
  path        = "resourceGroups/rg-web/providers/Microsoft.Network/routeTables/${var.name}-${count.index}"
  api_version = "2024-05-01"
  location    = "switzerlandnorth"
  tags        = { number = tostring(count.index) }
}

output "ids" {
  value = arm_resource.all[*].id
}
