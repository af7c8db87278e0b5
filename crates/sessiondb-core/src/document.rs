//! Documents: small keyed values beside a session's log, changed together with it.

use serde::{Deserialize, Serialize};

use crate::{
    Error, Json, Result, Time, fingerprint::Fingerprint, limits, message::validate_id, time,
    window::validate_limit,
};

/// Bytes in JSON: a string in base64, with padding.
mod blob {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<S: Serializer>(blob: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        blob.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| STANDARD.decode(text).map_err(de::Error::custom)).transpose()
    }
}

/// A document as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Document {
    /// Which kind of document: the caller's own vocabulary.
    pub collection: String,
    /// Its id within the session and collection.
    pub id: String,
    /// What it says, in the JSON text it came as.
    pub body: Json,
    /// Bytes that are no JSON, if any.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "blob")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Byte))]
    pub blob: Option<Vec<u8>>,
    /// The session's revision that wrote it: it grows with every change and never comes again, not even when the
    /// document is removed and made anew.
    pub revision: u64,
    /// When it was written: the time of its commit, which may lie before that of an earlier one if the caller gave it.
    #[serde(with = "time::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub updated_at: Time,
}

impl Document {
    /// The checksum that the store keeps beside a document, so that `check` finds a bit that flipped on the disk:
    /// XXH3 (64 bits) over every field.
    pub fn checksum(&self) -> i64 {
        let mut fields = Fingerprint::new();
        fields.text(&self.collection);
        fields.text(&self.id);
        fields.number(self.revision);
        fields.number(self.updated_at.timestamp_micros().cast_unsigned());
        fields.text(self.body.get());
        fields.bytes_opt(self.blob.as_deref());
        fields.checksum()
    }
}

/// A document to put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewDocument {
    /// Which kind of document.
    pub collection: String,
    /// Its id within the session and collection.
    pub id: String,
    /// What it says.
    pub body: Json,
    /// Bytes that are no JSON, if any.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "blob")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Byte))]
    pub blob: Option<Vec<u8>>,
}

impl NewDocument {
    /// A document without a blob.
    pub fn new(collection: impl Into<String>, id: impl Into<String>, body: Json) -> NewDocument {
        NewDocument { collection: collection.into(), id: id.into(), body, blob: None }
    }

    /// The bytes that count against [`DOCUMENT_BYTES_MAX`](limits::DOCUMENT_BYTES_MAX).
    pub fn bytes(&self) -> usize {
        self.body.get().len() + self.blob.as_ref().map_or(0, Vec::len)
    }

    /// Whether the store accepts this document.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is too large, or its collection or id is empty, too long or has a NUL.
    pub fn validate(&self) -> Result<()> {
        validate_address(&self.collection, &self.id)?;
        if self.bytes() > limits::DOCUMENT_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "document {}/{} has {} bytes; at most {} are allowed",
                self.collection,
                self.id,
                self.bytes(),
                limits::DOCUMENT_BYTES_MAX
            )));
        }
        Ok(())
    }
}

pub(crate) fn validate_address(collection: &str, id: &str) -> Result<()> {
    validate_id("a document's collection", collection)?;
    validate_id("a document's id", id)
}

/// Which documents of a session to list, ordered by collection and id (byte by byte).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFilter {
    /// Only this collection; `None` for all.
    pub collection: Option<String>,
    /// Only what comes after this collection and id: the last of the page before.
    pub after: Option<(String, String)>,
    /// How many at most: 1 to [`PAGE_MAX`](limits::PAGE_MAX).
    pub limit: usize,
}

impl DocumentFilter {
    /// The first documents of a collection.
    pub fn collection(collection: impl Into<String>) -> DocumentFilter {
        DocumentFilter { collection: Some(collection.into()), ..DocumentFilter::default() }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        validate_limit(self.limit)
    }
}

impl Default for DocumentFilter {
    fn default() -> DocumentFilter {
        DocumentFilter { collection: None, after: None, limit: limits::PAGE_DEFAULT }
    }
}

/// A page of documents. It may have fewer than were asked for although there are more: `next` tells, not the count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentPage {
    /// The documents, ordered by collection and id.
    pub documents: Vec<Document>,
    /// What to give as [`DocumentFilter::after`] for the next page; `None` at the end.
    pub next: Option<(String, String)>,
}
