"""What a call says about itself: values, their types, and the bag they are read from."""

from attributes.bag import Bag, Note, Reads, Reference, References, Seen, Source
from attributes.values import (
    Duration,
    Timestamp,
    Value,
    ValueType,
    ip_text,
    parse_ip,
    same_ip,
    text,
)
from attributes.vocabulary import Attribute, Vocabulary

__all__ = [
    "Attribute",
    "Bag",
    "Duration",
    "Note",
    "Reads",
    "Reference",
    "References",
    "Seen",
    "Source",
    "Timestamp",
    "Value",
    "ValueType",
    "Vocabulary",
    "ip_text",
    "parse_ip",
    "same_ip",
    "text",
]
