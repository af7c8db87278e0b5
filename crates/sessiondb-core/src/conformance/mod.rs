//! The promises that every storage engine keeps, as tests.
//!
//! Each promise is a public async function that is given a fresh, empty store and panics if the store breaks it.
//! [`MemoryBackend`](crate::MemoryBackend) says what is right; the promises say it again case by case, and
//! [`random_commits_agree`] holds an engine against it under calls that nobody thought of.
//!
//! An engine's tests need one function that makes a fresh store, together with whatever must live as long as the
//! store does (a temporary directory, say). One macro makes a `#[test]` of every promise, so no engine can forget one:
//!
//! ```text
//! mod conformance {
//!     use sessiondb_core::{Store, conformance};
//!
//!     fn fresh() -> (Store, tempfile::TempDir) {
//!         let dir = tempfile::tempdir().unwrap();
//!         (my_engine::open(&dir.path().join("store")).unwrap(), dir)
//!     }
//!
//!     sessiondb_core::conformance_tests!(fresh);
//!
//!     #[test]
//!     fn random_commits_agree_with_the_memory_engine() {
//!         conformance::random_commits_agree(fresh, 200);
//!     }
//! }
//! ```
//!
//! To hold an engine's blocking handles to the same, do it again in a second module whose `fresh` answers with
//! [`Store::for_blocking`].
//!
//! # To add a promise
//!
//! Write the function into the file of its subject and add its name to the list below. One that is not in the list
//! is dead code, and the compiler says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a promise is a test: a panic is how it fails"
)]

mod appends;
mod atomicity;
mod bad_input;
mod calls;
mod commit_ids;
mod concurrency;
mod deletes;
mod documents;
mod examples;
mod expectations;
mod feed;
mod filters;
mod forks;
mod json;
mod keys;
mod lifecycle;
mod limits;
mod lists;
mod message_ids;
mod model;
mod observed;
mod parts;
mod patches;
mod restores;
mod scopes;
mod search;
mod sessions;
mod state;
#[cfg(test)]
mod tests;
mod times;
mod views;
mod windows;

use crate::{Error, Store};

pub use model::{random_commits_agree, random_commits_agree_when_reopened};

/// Keeps one promise to the test: makes a store, lets the promise look at it, and then asks whether the store is
/// still sound in its own eyes.
pub fn run<G, F: Future<Output = ()>>(fresh: impl FnOnce() -> (Store, G), promise: impl FnOnce(Store) -> F) {
    let (store, guard) = fresh();
    pollster::block_on(async {
        promise(store.clone()).await;
        match store.check().await {
            Ok(report) => assert!(report.is_clean(), "after the test, check found {:#?}", report.findings),
            // A few promises are about closing.
            Err(error) => assert_eq!(error, Error::Closed, "after the test, the store cannot be checked"),
        }
    });
    drop((store, guard));
}

/// Makes a `#[test]` of every promise. It is given the name of a function without parameters that answers with a
/// fresh `Store` and whatever must live as long as the store; see the [module](crate::conformance).
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:path) => {
        $crate::conformance_promises! { [$crate::conformance_tests_of_list] $fresh }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests_of_list {
    ([$fresh:path] $($subject:ident: $($promise:ident)+;)+) => {
        $crate::conformance_tests_of_list! { @ [$fresh] $($($promise)+)+ }
    };
    (@ [$fresh:path] $($promise:ident)+) => {
        $(
            #[test]
            fn $promise() {
                $crate::conformance::run($fresh, $crate::conformance::$promise);
            }
        )+
    };
}

macro_rules! publish {
    ([] $($subject:ident: $($promise:ident)+;)+) => {
        $(pub use $subject::{$($promise),+};)+
    };
}

/// The promises by subject, which is the name of their file. This is the one list of them: what is given in the
/// brackets is the macro that makes something of it.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_promises {
    ([$($then:tt)+] $($with:tt)*) => {
        $($then)+! {
            [$($with)*]
            sessions:
                a_session_opens_with_the_defaults
                a_session_opens_as_it_is_told
                opening_again_changes_nothing
                opening_as_another_family_is_a_conflict
                a_commit_that_changes_state_counts_one_revision
                appending_and_adding_tokens_leave_the_revision
                a_commit_without_effect_changes_nothing
                metadata_is_replaced_as_it_is_given
                tokens_add_up_to_63_bits
                writes_happen_in_their_order
                a_write_to_a_session_that_nobody_opened_is_not_found
                a_commit_may_write_nothing
                ;
            times:
                given_times_are_kept_to_the_microsecond
                a_leap_second_is_kept_inside_its_minute
                updated_at_never_goes_back
                times_default_to_now
                now_is_never_before_the_last_update
                the_earliest_and_the_latest_times_are_kept
                ;
            deletes:
                a_delete_removes_everything
                a_session_opened_after_a_delete_begins_anew
                deleting_what_is_not_there_finds_nothing
                deleting_a_session_leaves_the_others
                a_session_can_be_replaced_in_one_call
                ;
            appends:
                messages_are_numbered_from_one_without_gaps
                numbers_belong_to_the_session
                an_append_opens_the_session
                every_field_of_a_message_is_kept
                messages_without_an_id_are_never_taken_for_one
                a_long_append_is_whole_and_in_order
                ;
            message_ids:
                a_message_sent_again_is_the_one_it_was
                a_message_sent_again_is_found_far_back
                a_message_twice_in_one_commit_is_one
                a_message_id_with_other_content_is_a_conflict
                a_retry_need_not_repeat_the_time
                message_ids_belong_to_the_session
                message_ids_are_compared_byte_by_byte
                a_refused_append_leaves_its_message_ids_free
                ;
            commit_ids:
                a_repeated_commit_is_answered_with_its_first_receipt
                a_replay_tells_the_whole_receipt
                a_commit_id_with_other_content_is_a_conflict
                commit_ids_belong_to_the_session
                commit_ids_are_compared_byte_by_byte
                a_commit_id_twice_in_one_call_happens_once
                a_repeated_delete_is_answered_with_its_first_receipt
                ids_of_a_deleted_session_do_not_block_a_new_one
                a_refused_commit_leaves_its_id_free
                a_question_to_an_absent_session_is_asked_anew
                ;
            expectations:
                absent_is_expected
                a_revision_is_expected
                a_head_is_expected
                a_log_is_expected
                a_document_is_expected
                expectations_are_asked_in_their_order
                expectations_see_the_commits_before_them
                expectations_are_asked_before_anything_is_written
                ;
            atomicity:
                a_refused_commit_undoes_the_whole_call
                a_call_is_undone_from_wherever_it_fails
                a_refused_write_undoes_the_writes_before_it
                a_refused_call_uses_up_no_numbers
                a_session_may_occur_several_times_in_one_call
                ;
            lists:
                lists_are_sorted_with_ties_by_number
                a_list_shows_whole_sessions
                paging_shows_every_session_once
                a_list_may_be_empty
                paging_is_not_disturbed_by_sessions_that_move
                a_cursor_outlives_its_session
                a_cursor_of_another_order_is_refused
                a_page_has_at_most_a_thousand_sessions
                a_filtered_list_is_the_whole_list_filtered
                ;
            parts:
                parts_are_what_is_read_one_by_one
                parts_of_one_session_are_read
                parts_of_many_keys_are_read
                pages_with_parts_are_bounded_in_messages
                pages_with_parts_are_bounded_in_documents
                parts_stay_inside_the_scope
                parts_that_cannot_be_are_refused
                parts_are_of_one_moment
                ;
            filters:
                each_part_of_the_key_filters
                family_and_statuses_filter
                bounds_of_time_are_not_included
                bounds_may_be_finer_than_a_microsecond
                conditions_are_combined_by_and
                a_filtered_list_can_be_paged
                a_filter_that_cannot_be_is_refused
                ;
            windows:
                windows_show_what_they_should
                a_long_history_is_read_window_by_window
                a_window_of_a_missing_session_is_not_found
                a_window_that_cannot_be_is_refused
                ;
            views:
                a_compaction_hides_the_older_messages_behind_its_summary
                a_compaction_without_a_summary_just_hides
                a_message_appended_during_a_compaction_stays
                a_compaction_that_hides_nothing_writes_nothing
                a_compaction_keeps_calls_with_their_results
                a_compaction_is_taken_back
                uncompacting_stops_at_a_reset
                uncompacting_shows_nothing_twice
                a_reset_begins_anew
                a_rewind_hides_what_comes_after
                a_pop_hides_the_newest_message
                a_repeated_pop_is_the_same_message
                a_suffix_is_replaced_as_a_whole
                undo_takes_back_each_change_in_turn
                undo_hides_what_the_change_appended
                a_view_is_set_as_a_whole
                what_is_not_shown_is_a_conflict
                changes_of_a_view_are_told
                a_commit_changes_the_view_at_most_once
                a_view_of_too_many_spans_is_rewritten
                a_repair_closes_what_is_open
                views_of_missing_sessions_are_not_found
                a_view_is_rewritten_where_it_costs_least
                the_names_of_a_summary_are_free
                a_compaction_of_what_its_commit_appended
                a_large_pop_is_replayed
                ;
            forks:
                a_fork_shows_the_history_up_to_a_message
                a_fork_and_its_parent_go_on_apart
                a_fork_of_a_fork
                a_fork_of_a_compacted_session
                a_fork_takes_along_what_describes_it
                deleting_a_parent_never_harms_its_forks
                a_refused_delete_leaves_the_forks_as_they_were
                a_fork_that_cannot_be_is_refused
                a_repeated_fork_happens_once
                forks_stay_within_the_scope
                a_fork_may_be_changed_at_once
                a_restored_fork_stays_within_the_scope
                ;
            calls:
                a_window_never_begins_with_a_lone_result
                pages_are_the_history_and_cut_no_call
                an_end_that_is_named_stays
                a_window_by_weight_takes_what_fits
                calls_are_kept_with_results_within_reach
                lone_halves_hold_up_nothing
                the_latest_messages_of_an_interval
                a_second_result_stands_alone
                long_chains_of_calls_are_not_cut
                a_compaction_sees_results_that_are_far
                ;
            feed:
                the_feed_tells_what_was_committed
                the_feed_is_read_page_by_page
                the_feed_tells_nothing_of_what_did_not_happen
                a_feed_goes_on_from_its_end
                the_feed_names_sessions_that_are_gone
                a_scoped_feed_tells_what_is_inside
                a_place_behind_the_feed_is_refused
                ;
            state:
                each_scope_has_state_of_its_own
                state_changes_together_with_sessions
                state_is_in_no_list_but_in_the_feed
                a_handle_sees_the_state_within_its_scope
                where_state_is_there_is_nothing_else
                ;
            search:
                words_are_found_in_every_session
                what_was_answered_is_found_at_once
                all_words_must_be_in_one_message
                words_of_blocks_and_calls_are_found
                words_in_every_script_are_found
                the_last_stored_is_found_first_page_by_page
                a_search_stays_inside_its_scope
                a_search_can_be_narrowed
                what_a_view_hides_is_found_and_marked
                what_a_fork_inherited_is_found_once
                what_is_deleted_is_not_found
                a_search_that_cannot_be_is_refused
                the_index_finds_what_a_look_at_everything_finds
                ;
            documents:
                a_document_is_read_back_as_it_was_put
                a_document_put_again_is_replaced
                a_document_revision_never_comes_again
                a_removed_document_is_gone
                a_missing_document_is_none
                documents_are_listed_byte_by_byte
                documents_belong_to_their_session
                a_page_has_at_most_a_thousand_documents
                ;
            patches:
                a_patch_is_merged_by_rfc_7396
                a_patch_keeps_the_text_that_it_does_not_touch
                a_patch_of_an_absent_document_makes_it
                a_patch_keeps_the_blob
                patches_of_one_commit_are_merged_in_order
                a_patch_that_cannot_be_merged_is_refused
                ;
            json:
                the_json_of_messages_keeps_its_text
                the_json_of_metadata_keeps_its_text
                the_json_of_documents_keeps_its_text
                an_escaped_nul_is_text
                ;
            keys:
                keys_that_differ_are_different_sessions
                names_and_ids_are_kept_byte_by_byte
                keys_of_the_greatest_length_are_kept
                a_key_that_cannot_be_is_refused_everywhere
                ;
            scopes:
                a_scoped_list_shows_what_is_inside
                nothing_outside_a_scope_is_read_or_written
                a_scope_can_only_be_narrowed
                a_scoped_handle_cannot_check_or_optimize
                what_is_the_stores_own_is_seen_by_no_other_handle
                what_is_done_is_noted_with_it
                ;
            bad_input:
                empty_names_and_ids_are_refused
                a_nul_is_refused_in_names_and_ids
                what_must_be_an_object_is_one
                a_delete_stands_alone
                times_outside_four_digits_are_refused
                a_commit_that_cannot_be_refuses_its_call
                json_that_cannot_be_read_cannot_be_sent
                ;
            limits:
                names_have_at_most_64_bytes
                ids_have_at_most_512_bytes
                a_message_has_at_most_16_mib
                a_document_has_at_most_16_mib
                metadata_has_at_most_1_mib
                a_message_names_at_most_a_thousand_tool_calls
                counts_have_at_most_63_bits
                a_call_has_at_most_10_000_changes
                a_call_has_at_most_64_mib
                ;
            concurrency:
                threads_that_open_one_key_get_one_session
                threads_that_append_lose_nothing
                threads_that_add_tokens_lose_none
                of_threads_that_expect_one_revision_one_succeeds
                of_threads_that_expect_the_same_one_succeeds
                threads_that_send_the_same_do_it_once
                threads_that_write_two_sessions_in_either_order
                threads_that_delete_what_others_write
                a_read_sees_what_was_answered_before
                a_read_sees_a_commit_wholly_or_not_at_all
                a_commit_that_nobody_waits_for_happens_once_or_not_at_all
                threads_that_pop_get_each_message_once
                of_threads_that_replace_one_suffix_one_succeeds
                threads_that_change_views_lose_no_append
                ;
            lifecycle:
                optimizing_changes_nothing_that_is_seen
                a_new_store_is_empty
                a_check_counts_what_there_is
                all_handles_are_the_same_store
                a_closed_store_says_so
                ;
            restores:
                a_session_is_restored_as_it_was
                restoring_again_changes_nothing
                what_differs_is_a_conflict_and_changes_nothing
                a_fork_is_restored_with_its_ancestors
                what_is_kept_for_forks_is_restored_and_in_no_list
                a_log_with_gaps_is_restored
                what_is_kept_may_have_gaps
                a_refused_restore_leaves_what_is_kept
                what_is_kept_goes_with_the_last_fork
                numbers_that_are_kept_again_have_other_messages
                what_is_restored_does_not_stand_in_the_way_of_a_delete
                restored_sessions_go_on
                kept_addresses_are_written_by_restores_alone
                a_restore_that_cannot_be_is_refused
                a_long_history_of_a_view_is_restored
                a_change_that_cannot_have_been_made_is_refused
                a_restore_adds_nothing_to_a_session_in_use
                ;
        }
    };
}

conformance_promises! { [publish] }
