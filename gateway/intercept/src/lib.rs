//! The node's firewall rules: they lead pods' requests for metadata to the gateway, and nowhere else.
