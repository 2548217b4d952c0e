"""Why an event became a dead letter: the closed list of reasons, with the sentence people read."""

TOO_LARGE = "too_large"
NOT_JSON = "not_json"
BAD_SUBJECT = "bad_subject"
UNKNOWN_TYPE = "unknown_type"
UNKNOWN_ACTION = "unknown_action"
INVALID_BODY = "invalid_body"
CONTRADICTS_SUBJECT = "contradicts_subject"
CONTRADICTS_HEADER = "contradicts_header"
TIME_OUT_OF_RANGE = "time_out_of_range"
UNSIGNED = "unsigned"
BAD_SIGNATURE = "bad_signature"
DECISION_NEVER_CAME = "decision_never_came"
OTHER_PERSON = "other_person"
DUPLICATE_DECISION = "duplicate_decision"
WRONG_FEATURES = "wrong_features"

REASONS: dict[str, str] = {
    TOO_LARGE: "the body is larger than an event may be (256 KiB)",
    NOT_JSON: "the body is not a JSON object",
    BAD_SUBJECT: "the subject is not one of Tipstream's, or an id in it is not encoded as documented",
    UNKNOWN_TYPE: "ce-type names no event of this subject, or a version this release does not know",
    UNKNOWN_ACTION: "the action in the subject is not one a person can take",
    INVALID_BODY: "a field is missing, unknown, of the wrong type or out of range",
    CONTRADICTS_SUBJECT: "the body says something else than the subject",
    CONTRADICTS_HEADER: "the body says something else than a ce- header",
    TIME_OUT_OF_RANGE: "the event claims a time before 2000 or more than 24 h ahead of the stream",
    UNSIGNED: "admin and catalog events must be signed",
    BAD_SIGNATURE: "the signature does not hold, or its key is not the stream's",
    DECISION_NEVER_CAME: "no open decision of that id was recorded within 7 days of the feedback",
    OTHER_PERSON: "the decision was made for another person",
    DUPLICATE_DECISION: "another event already holds that decision_id",
    WRONG_FEATURES: "x does not have the length of its feature set, or holds numbers beyond a million",
}
