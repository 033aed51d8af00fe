"""The node itself: repositories, firewall, SELinux, tuned, uplinks.

``system.declare`` declares all of it but the uplinks, which the network services declare.
"""
